import MobileO

/// How far the engine of a bundle is made ready.
public struct Preparation: Sendable, Equatable {
  /// What is prepared now; nil before the first.
  public internal(set) var component: String?
  /// How many are done.
  public internal(set) var done = 0
  /// Of how many.
  public internal(set) var count = 0
  /// How long ``component`` took the last time, in this bundle; nil if it never was prepared.
  public internal(set) var lastTime: Duration?

  /// Nothing yet.
  public init() {}
}

/// Why the app cannot begin, and what the user can do.
public struct StartFailure: Sendable, Equatable {
  /// A button.
  public enum Remedy: String, Sendable, CaseIterable {
    /// The same once more.
    case again
    /// Verify the bundle, and bring what is broken of it anew.
    case repair
    /// Let Core AI run what a bundle has for it.
    case turnOnCoreAI
    /// Open, download or import another.
    case otherBundle
    /// Everything in the settings back to its default.
    case resetSettings
  }

  /// What is wrong, and what to do, in one sentence.
  public let sentence: String
  /// What can be done here, the most promising first.
  public let remedies: [Remedy]

  /// Of an error; `isCustom` where settings are not at their defaults.
  package init(_ error: any Error, isCustom: Bool) {
    sentence = MobileOApp.sentence(of: error)
    let reset: [Remedy] = isCustom ? [.resetSettings] : []
    switch (error as? MobileOError)?.kind {
    case .bundle, .tokenizer: remedies = [.repair, .otherBundle, .again]
    case .off: remedies = [.turnOnCoreAI, .otherBundle, .again]
    case .memory: remedies = [.again, .otherBundle] + reset
    default: remedies = [.again] + reset + [.otherBundle]
    }
  }
}

/// What the app shows as a whole.
///
///     opening ─ none ──► noBundle (also when it is stopping)
///        │ ├── failed ─► failed
///        │ └── stop ───► stopping ─ ended ─► stopped
///     prepare              ▲  │ (or ready, or failed: what is in flight ends)
///        └─► preparing ─ stop  └─ done ─► ready
///                 ├─ done ─► ready ─ prepare ─► preparing (the settings changed)
///                 └─ ended, failed ─► stopped, failed
///
/// From `noBundle`, `ready`, `stopped` and `failed`, `open` leads to `opening` again.
public enum StartState: Sendable, Equatable {
  /// The bundle is being read.
  case opening
  /// None is installed: download or import one.
  case noBundle
  /// Compiled and loaded once, component by component.
  case preparing(Preparation)
  /// What is in flight ends; no other component begins.
  case stopping(Preparation, CallGate.Closed)
  /// Everything works.
  case ready
  /// Stopped; what was prepared stays so.
  case stopped(Preparation, CallGate.Closed)
  case failed(StartFailure)

  /// What may happen.
  public enum Event: Sendable, Equatable {
    case open
    case none
    case prepare(count: Int)
    case component(String, lastTime: Duration?)
    case stop(CallGate.Closed)
    case done
    /// It ended before it was done.
    case ended(CallGate.Closed)
    case failed(StartFailure)
  }

  /// Whether something is under way.
  public var isBusy: Bool {
    switch self {
    case .opening, .preparing, .stopping: true
    default: false
    }
  }

  /// How far the preparation is, or was; nil of none.
  public var preparation: Preparation? {
    switch self {
    case .preparing(let found), .stopping(let found, _), .stopped(let found, _): found
    default: nil
    }
  }

  /// The state after `event`; nil where it cannot happen.
  public func after(_ event: Event) -> StartState? {
    switch (self, event) {
    case (_, .open): isBusy ? nil : .opening
    case (.opening, .none), (.stopping, .none): .noBundle
    case (.opening, .prepare(let count)), (.ready, .prepare(let count)):
      .preparing(Preparation(count: count))
    case (.opening, .stop(let why)): .stopping(Preparation(), why)
    case (.opening, .ended(let why)): .stopped(Preparation(), why)
    case (.preparing(let now), .component(let name, let lastTime)):
      now.next(name, lastTime).map { .preparing($0) }
    case (.preparing(let now), .stop(let why)): .stopping(now, why)
    case (.preparing(let now), .ended(let why)): .stopped(now, why)
    // The first reason stands.
    case (.stopping(let now, let why), .ended): .stopped(now, why)
    case (.preparing, .done), (.stopping, .done): .ready
    case (.opening, .failed(let why)), (.preparing, .failed(let why)),
      (.stopping, .failed(let why)):
      .failed(why)
    default: nil
    }
  }
}

extension Preparation {
  fileprivate init(count: Int) { self.count = count }

  /// With the component that comes next; nil if all had their turn.
  fileprivate func next(_ name: String, _ lastTime: Duration?) -> Preparation? {
    var next = self
    if component != nil { next.done += 1 }
    guard next.done < count else { return nil }
    (next.component, next.lastTime) = (name, lastTime)
    return next
  }
}
