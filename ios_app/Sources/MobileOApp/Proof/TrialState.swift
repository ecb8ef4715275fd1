import MobileO

/// Where a self-test or a benchmark stands.
///
///     idle ─ begin ─► running ─ done ─► finished
///                     │    ├─ failed ─► failed
///                   stop   └─ ended ──► stopped
///                     └─► stopping ─ ended ─┘   (or finished, or failed: the call in flight ends)
///
/// From `finished`, `failed` and `stopped` another begins.
public enum TrialState<Report: Sendable & Equatable>: Sendable, Equatable {
  case idle
  case running(TrialProgress)
  /// The call in flight ends; no other begins.
  case stopping(TrialProgress, CallGate.Closed)
  case finished(Report)
  case stopped(TrialProgress, CallGate.Closed)
  /// In one sentence.
  case failed(String)

  /// What may happen.
  public enum Event: Sendable, Equatable {
    case begin
    case progress(TrialProgress)
    case stop(CallGate.Closed)
    case done(Report)
    /// It ended before it was done.
    case ended(CallGate.Closed)
    case failed(String)
  }

  /// Whether it is under way.
  public var isBusy: Bool {
    switch self {
    case .running, .stopping: true
    default: false
    }
  }

  /// How far it is, or was.
  public var progress: TrialProgress? {
    switch self {
    case .running(let progress), .stopping(let progress, _), .stopped(let progress, _): progress
    default: nil
    }
  }

  /// The state after `event`; nil where it cannot happen.
  public func after(_ event: Event) -> TrialState? {
    switch (self, event) {
    case (_, .begin): isBusy ? nil : .running(TrialProgress())
    case (.running, .progress(let progress)): .running(progress)
    case (.stopping(_, let why), .progress(let progress)): .stopping(progress, why)
    case (.running(let progress), .stop(let why)): .stopping(progress, why)
    case (.running(let progress), .ended(let why)): .stopped(progress, why)
    // The first reason stands.
    case (.stopping(let progress, let why), .ended): .stopped(progress, why)
    case (.running, .done(let report)), (.stopping, .done(let report)): .finished(report)
    case (.running, .failed(let why)), (.stopping, .failed(let why)): .failed(why)
    default: nil
    }
  }
}

/// How far a self-test or a benchmark is.
public struct TrialProgress: Sendable, Equatable {
  /// What is under way, for people; empty before the first.
  public internal(set) var stage = ""
  /// Parts that are done.
  public internal(set) var done = 0
  /// Of how many; 0 while nobody knows.
  public internal(set) var count = 0

  /// Nothing yet.
  public init() {}

  init(_ stage: String, _ done: Int, of count: Int) {
    (self.stage, self.done, self.count) = (stage, done, count)
  }
}
