import Foundation
import MobileO

/// A phone's memory, and everything that is done with components on it, in order.
final class Phone: @unchecked Sendable {
  /// One thing that was done.
  enum Act: Equatable, CustomStringConvertible {
    case compile(String)
    case load(String)
    case run(String)
    case unload(String)

    var description: String {
      switch self {
      case .compile(let name): "compile \(name)"
      case .load(let name): "load \(name)"
      case .run(let name): "run \(name)"
      case .unload(let name): "unload \(name)"
      }
    }
  }

  /// Awaited when a load or a run has begun, and before it ends.
  typealias Hook = @Sendable (_ act: Act, _ number: Int) async throws -> Void

  let limit: Int
  let sizes: [String: Footprint]
  private let lock = NSLock()
  private var acts: [Act] = []
  private var calls = 0
  private var present: [String: Int] = [:]
  private var most = 0
  private var hook: Hook?

  init(limit: Int = .max, _ sizes: [String: Footprint] = [:]) {
    (self.limit, self.sizes) = (limit, sizes)
  }

  /// All that was done since the last ``forget()``.
  var done: [Act] { lock.withLock { acts } }
  /// What is loaded.
  var loaded: Set<String> { lock.withLock { Set(present.filter { $0.value > 0 }.keys) } }
  /// The most that was taken at any time, in bytes.
  var peak: Int { lock.withLock { most } }
  var headroom: Int { lock.withLock { limit - taken } }
  /// Loads and runs that were begun since the last ``forget()``.
  var begun: Int { lock.withLock { calls } }

  func onCall(_ hook: Hook?) { lock.withLock { self.hook = hook } }
  func forget() { lock.withLock { (acts, calls) = ([], 0) } }

  private var taken: Int {
    present.reduce(0) { $0 + $1.value * (sizes[$1.key]?.weights ?? 0) }
  }

  func add(_ act: Act) { lock.withLock { acts.append(act) } }

  func begin(_ act: Act) async throws {
    let (hook, number) = lock.withLock {
      acts.append(act)
      calls += 1
      switch act {
      case .load(let name): present[name, default: 0] += 1
      case .run(let name): most = max(most, taken + (sizes[name]?.activations ?? 0))
      case .compile, .unload: break
      }
      most = max(most, taken)
      return (self.hook, calls - 1)
    }
    try await hook?(act, number)
  }

  /// What was loaded is gone.
  func end(_ name: String) {
    lock.withLock {
      acts.append(.unload(name))
      present[name, default: 0] -= 1
    }
  }

  /// What a load that failed had taken is given back.
  func failed(_ name: String) { lock.withLock { present[name, default: 0] -= 1 } }
}
