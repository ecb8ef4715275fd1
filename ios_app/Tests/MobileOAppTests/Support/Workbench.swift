import Foundation
import MobileO
import MobileOApp
import Testing

/// A studio over the toy, with everything that is around it.
@MainActor struct Workbench {
  let engine: ToyEngine
  let gate = CallGate()
  let memory = MemoryDisk()
  let beacon: Beacon
  let studio: Studio

  init(
    isActive: Bool = true, isRecorded: Bool = false,
    now: @escaping @Sendable () -> Duration = Studio.clock
  ) async throws {
    engine = try ToyEngine()
    beacon = Beacon(path: "beacon", disk: memory.disk)
    let bundle = try isRecorded ? SealedBundle(isRecorded: true).scratch : ToyBundle.made()
    defer { withExtendedLifetime(bundle) {} }
    studio = try await Studio(
      bundle: bundle.url, engine: engine, beacon: beacon, gate: gate, now: now)
    studio.sceneChanged(isActive: isActive)
  }
}

/// A value that closures share.
final class Box<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private var held: Value

  init(_ value: Value) { held = value }

  var value: Value {
    get { lock.withLock { held } }
    set { lock.withLock { held = newValue } }
    _modify {
      lock.lock()
      defer { lock.unlock() }
      yield &held
    }
  }
}

/// Waits until `condition` holds on the main actor, or records that it never did.
func eventually(
  _ condition: @MainActor () -> Bool, _ place: SourceLocation = #_sourceLocation
) async {
  for _ in 0..<5000 {
    if await condition() { return }
    try? await Task.sleep(for: .milliseconds(1))
  }
  Issue.record("it never held", sourceLocation: place)
}
