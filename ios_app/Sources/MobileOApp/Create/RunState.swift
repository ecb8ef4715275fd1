import MobileO

/// How far a run is.
public struct RunProgress: Sendable, Equatable {
  /// A part of the work.
  public enum Stage: String, Sendable {
    /// The vision encoder reads the picture.
    case looking
    /// The language model reads the prompt.
    case reading
    /// The connector.
    case conditioning
    /// The transformer, step by step.
    case drawing
    /// The decoder.
    case decoding
    /// The language model, token by token.
    case answering
  }

  /// What is under way; nil before the first.
  public internal(set) var stage: Stage?
  /// Steps that are done.
  public internal(set) var step = 0
  /// Of how many; 0 before the first is done, and of what does not draw.
  public internal(set) var steps = 0
  /// What the drawing is taken for after the last step, as small as the latent.
  public internal(set) var preview: Picture?
  /// What the steps that are left take; nil before two are done, since the first may load.
  public internal(set) var timeLeft: Duration?
  /// The answer so far.
  public internal(set) var text = ""

  /// Nothing yet.
  public init() {}
}

/// What came of a run that went to its end.
public enum RunResult: Sendable, Equatable {
  case picture(DrawnPicture)
  case answer(Answer)
}

/// Where the one run that there may be stands.
///
///     idle ─ begin ─► running ─ done ─► finished
///                     │    ├─ failed ─► failed
///                     │    └─ ended ──► stopped
///                   stop                  ▲
///                     └──► stopping ──────┘   (or finished, or failed: the call in flight ends)
///
/// From `finished`, `failed` and `stopped` another run begins, or `clear` leads back to `idle`.
public enum RunState: Sendable, Equatable {
  case idle
  case running(RunProgress)
  /// The call in flight ends; no other begins.
  case stopping(RunProgress, CallGate.Closed)
  case finished(RunResult, RunProgress)
  /// Stopped, with all that was there.
  case stopped(RunProgress, CallGate.Closed)
  /// With the one sentence that says why.
  case failed(String, RunProgress)

  /// What may happen to a run.
  public enum Event: Sendable, Equatable {
    case begin
    case stage(RunProgress.Stage)
    case step(Int, of: Int, preview: Picture?, timeLeft: Duration?)
    case text(String)
    case stop(CallGate.Closed)
    case done(RunResult)
    /// It ended before it was done.
    case ended(CallGate.Closed)
    case failed(String)
    case clear
  }

  /// Whether a run is under way.
  public var isBusy: Bool {
    switch self {
    case .running, .stopping: true
    default: false
    }
  }

  /// How far the run is, or was; nil of none.
  public var progress: RunProgress? {
    switch self {
    case .idle: nil
    case .running(let progress), .stopping(let progress, _), .finished(_, let progress),
      .stopped(let progress, _), .failed(_, let progress):
      progress
    }
  }

  /// The state after `event`; nil where it cannot happen.
  public func after(_ event: Event) -> RunState? {
    switch (self, event) {
    case (.running, .begin), (.stopping, .begin): nil
    case (_, .begin): .running(RunProgress())
    case (.running, .clear), (.stopping, .clear), (.idle, _): nil
    case (_, .clear): .idle
    case (.running(let progress), .stop(let why)): .stopping(progress, why)
    case (.running(let progress), .ended(let why)): .stopped(progress, why)
    // The first reason stands.
    case (.stopping(let progress, let why), .ended): .stopped(progress, why)
    case (.running(let progress), .done(let result)),
      (.stopping(let progress, _), .done(let result)):
      .finished(result, progress)
    case (.running(let progress), .failed(let sentence)),
      (.stopping(let progress, _), .failed(let sentence)):
      .failed(sentence, progress)
    case (.running(let progress), _): progress.after(event).map { .running($0) }
    case (.stopping(let progress, let why), _): progress.after(event).map { .stopping($0, why) }
    case (.finished, _), (.stopped, _), (.failed, _): nil
    }
  }
}

extension RunProgress {
  /// With what a stage, a step or a piece of text adds; nil of what does not follow.
  fileprivate func after(_ event: RunState.Event) -> RunProgress? {
    var next = self
    switch event {
    case .stage(let stage): next.stage = stage
    case .step(let step, let steps, let preview, let timeLeft):
      guard step == self.step + 1, step <= steps, self.steps == 0 || self.steps == steps else {
        return nil
      }
      (next.step, next.steps, next.timeLeft) = (step, steps, timeLeft)
      next.preview = preview ?? self.preview
    case .text(let piece): next.text += piece
    default: return nil
    }
    return next
  }
}
