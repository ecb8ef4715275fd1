import Foundation

/// Whether the next call of a component may begin.
///
/// Going to the background while the GPU works ends an app with an exception that nobody can catch, so
/// leaving closes the gate at once, whatever the main actor is busy with. The call in flight ends; the
/// next one throws `CancellationError`, and the pipeline closes its sessions and ends.
public final class CallGate: @unchecked Sendable {
  /// Why no call may begin.
  public enum Closed: String, Sendable {
    /// The user said so.
    case stopped
    /// The scene is not active.
    case away
  }

  private let lock = NSLock()
  private var isActive = false
  private var reason: Closed?
  private var run = 0

  /// Closed until the scene is active.
  public init() {}

  /// Why calls are refused now; nil if they are let through.
  public var closed: Closed? { lock.withLock { reason ?? (isActive ? nil : .away) } }

  /// Says whether the scene is active. What was under way when it left does not go on by itself when
  /// it is back.
  public func scene(isActive: Bool) {
    lock.withLock {
      self.isActive = isActive
      if !isActive, reason == nil { reason = .away }
    }
  }

  /// Refuses all calls until the next run; of a run that is over, nothing.
  package func stop(_ run: Int) {
    lock.withLock { if run == self.run, reason == nil { reason = .stopped } }
  }

  /// Lets calls through again, for a new run, and gives its number; nil, and nothing changes, if the
  /// scene is not active.
  package func open() -> Int? {
    lock.withLock {
      guard isActive else { return nil }
      reason = nil
      run += 1
      return run
    }
  }

  /// - Throws: `CancellationError` if no call may begin.
  package func pass() throws {
    if closed != nil { throw CancellationError() }
  }
}
