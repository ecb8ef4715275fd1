import Foundation
import MobileO
import Observation

/// What a run does, with everything it needs.
public enum Job: Sendable, Equatable {
  /// What the user said, what the model answered, …, what the user says now.
  case chat([String], seed: UInt64)
  /// What the user asked about a picture, what the model answered, …, what the user asks now.
  case ask(Picture, [String], seed: UInt64)
  case draw(String, Request.Look, seed: UInt64)
  case edit(Picture, String, Request.Look, seed: UInt64)

  /// What is wanted.
  public var intent: Intent {
    switch self {
    case .chat: .chat
    case .ask: .ask
    case .draw: .draw
    case .edit: .edit
    }
  }
}

/// Runs one thing at a time on an open bundle, and says how far it is.
///
/// A run is stopped by ``stop()``, by its task being cancelled, or by the scene leaving; each time the
/// call in flight ends, no other begins, and what was there stays.
@MainActor @Observable
public final class Studio {
  /// Where the run stands.
  public private(set) var state = RunState.idle
  /// Whose run the state is about: what ``run(_:for:)`` was told.
  public private(set) var owner: UUID?
  /// Whether the scene is active; nothing begins unless it is.
  public private(set) var isActive = false
  /// What else has the engine now, such as a self-test: nothing begins before it ends.
  public private(set) var occupation: Beacon.Activity?
  /// The bundle that is open.
  public private(set) var model: MobileO
  /// Of the next run.
  public var settings = AppSettings()

  @ObservationIgnored private let gate: CallGate
  @ObservationIgnored private let beacon: Beacon
  @ObservationIgnored private let now: @Sendable () -> Duration
  @ObservationIgnored private var run = 0
  @ObservationIgnored private var waiting: [CheckedContinuation<Void, Never>] = []
  @ObservationIgnored private var colors = LatentColors()
  /// The picture that was asked about last, with the language model open between two answers.
  @ObservationIgnored private var dialog: (photo: Picture, talk: VisualDialog)?
  @ObservationIgnored private var ending: Task<Void, Never>?

  /// Opens the bundle in a folder; nothing runs before ``sceneChanged(isActive:)`` says that the scene
  /// is active.
  ///
  /// - Parameters:
  ///   - gate: what the scene closes without waiting for the main actor, where there is such a thing.
  ///   - now: a clock that does not go back.
  /// - Throws: ``MobileOError``, as ``MobileO/init(bundle:engine:)`` does.
  public init(
    bundle: URL, engine: any Engine, beacon: Beacon, gate: CallGate = CallGate(),
    now: @escaping @Sendable () -> Duration = Studio.clock
  ) async throws {
    model = try await MobileO(
      bundle: bundle, engine: WatchedEngine(inner: engine, gate: gate, beacon: beacon))
    self.gate = gate
    self.beacon = beacon
    self.now = now
    colors = LatentColors(model.manifest.components["vae_decoder"]?.preview)
  }

  /// Since the first time that it was asked.
  public nonisolated static let clock: @Sendable () -> Duration = {
    let start = ContinuousClock.now
    return { ContinuousClock.now - start }
  }()

  /// Why nothing can begin now, in one sentence; nil if it can.
  public var obstacle: String? {
    if state.isBusy { return "Something is being made: wait for it, or stop it." }
    if let occupation { return "The \(occupation.name) is running: wait for it, or stop it." }
    if !isActive {
      return "The app is not on the screen: open it, since nothing may run in the background."
    }
    return nil
  }

  /// Does `job` for `owner`, a turn say; the state in which it ended.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: there is an ``obstacle``. The state is what it was.
  @discardableResult public func run(_ job: Job, for owner: UUID? = nil) async throws -> RunState {
    if let obstacle { throw MobileOError(.usage, obstacle) }
    guard let number = gate.open() else {
      throw MobileOError(.usage, "The app is leaving the screen: open it again.")
    }
    run = number
    self.owner = owner
    apply(.begin)
    beacon.begin(Beacon.Activity(job.intent), bundle: model.manifest.identity)
    // Not a child of the caller's task: cancelling that would lose what the call in flight gives.
    let work = Task { await finish(job) }
    return await withTaskCancellationHandler {
      await work.value
    } onCancel: { [gate] in
      gate.stop(number)
    }
  }

  /// Ends the run as soon as the call in flight has.
  public func stop() {
    guard case .running = state else { return }
    gate.stop(run)
    apply(.stop(.stopped))
  }

  /// Whether the scene is active: in front, and in use.
  public func sceneChanged(isActive: Bool) {
    gate.scene(isActive: isActive)
    self.isActive = isActive
    if isActive { return }
    apply(.stop(.away))
    if !state.isBusy { Task { await endDialog() } }
  }

  /// Forgets a run that ended.
  public func clear() { apply(.clear) }

  // MARK: Others that use the engine

  /// Memory runs low: the language model that is kept open for the next question about a picture goes,
  /// now or behind the answer that is being written. The next question reads everything anew.
  public func memoryWarning() async { await endDialog() }

  /// Waits until nothing has the engine any more. Others may have it again after the next suspension.
  func settled() async {
    while state.isBusy || occupation != nil {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  private func tellWaiting() {
    let told = waiting
    waiting = []
    told.forEach { $0.resume() }
  }

  /// Lends the engine for the time of `body`, in which no run begins. Its calls pass the gate and are
  /// announced to the beacon, as those of a run.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: there is an ``obstacle``; what `body` throws, which is
  ///   `CancellationError` when the task is cancelled, ``vacate()`` is called, or the scene leaves.
  func occupy<Result>(
    _ activity: Beacon.Activity, _ body: (any Engine) async throws -> Result
  ) async throws -> Result {
    if let obstacle { throw MobileOError(.usage, obstacle) }
    guard let number = gate.open() else {
      throw MobileOError(.usage, "The app is leaving the screen: open it again.")
    }
    run = number
    occupation = activity
    beacon.begin(activity, bundle: model.manifest.identity)
    defer {
      beacon.end()
      occupation = nil
      tellWaiting()
    }
    await endDialog()
    return try await withTaskCancellationHandler {
      try await body(model.engine)
    } onCancel: { [gate] in
      gate.stop(number)
    }
  }

  /// Ends what has the engine as soon as the call in flight has.
  func vacate() {
    if occupation != nil { gate.stop(run) }
  }

  /// Why calls are refused now; of who ended with a `CancellationError`.
  var closed: CallGate.Closed { gate.closed ?? .stopped }

  /// Before a component is prepared: the gate and the beacon.
  func announce(_ component: String) throws {
    try gate.pass()
    beacon.mark(component, .load)
  }

  /// Runs on another engine from now on.
  func change(engine: any Engine) {
    model = model.on(WatchedEngine(inner: engine, gate: gate, beacon: beacon))
  }

  /// What does not follow from the state changes nothing.
  private func apply(_ event: RunState.Event) {
    if let next = state.after(event) { state = next }
  }

  /// Does `job` to its end: the next run may begin when this returns, and not before.
  private func finish(_ job: Job) async -> RunState {
    let end: RunState.Event
    if case .ask(let photo, _, _) = job, dialog?.photo == photo {} else { await endDialog() }
    do {
      end = try await follow(job).map { .done($0) } ?? .ended(gate.closed ?? .stopped)
    } catch is CancellationError {
      end = .ended(gate.closed ?? .stopped)
    } catch {
      end = .failed(sentence(of: error))
    }
    if !isActive { await endDialog() }
    beacon.end()
    apply(end)
    defer { tellWaiting() }
    return state
  }

  /// The one that is open, or another.
  private func dialog(about photo: Picture) -> VisualDialog {
    if let dialog { return dialog.talk }
    let talk = VisualDialog(model, about: photo)
    dialog = (photo, talk)
    return talk
  }

  /// Gives back what is kept for the next question about a picture, which then is read anew.
  private func endDialog() async {
    if let talk = dialog?.talk {
      dialog = nil
      ending = Task { await talk.close() }
    }
    await ending?.value
  }

  private func follow(_ job: Job) async throws -> RunResult? {
    func sampling(_ seed: UInt64) throws -> Sampling {
      try Sampling(model.recipe, maxNewTokens: settings.longestAnswer, seed: seed)
    }
    switch job {
    case .chat(let turns, let seed):
      return try await follow(model.chatting(turns, sampling(seed)))
    case .ask(let photo, let turns, let seed):
      return try await follow(dialog(about: photo).answering(turns, sampling(seed)))
    case .draw(let caption, let look, let seed):
      return try await follow(
        model.generate(caption, steps: look.steps, guidance: look.guidance, seed: seed))
    case .edit(let photo, let instruction, let look, let seed):
      return try await follow(
        model.edit(photo, instruction, steps: look.steps, guidance: look.guidance, seed: seed))
    }
  }

  private func follow(_ stream: AsyncThrowingStream<DrawingEvent, any Error>) async throws
    -> RunResult?
  {
    var result: RunResult?
    var pace = Pace()
    var last: Tensor?
    for try await event in stream {
      switch event {
      case .stage(let stage): apply(.stage(RunProgress.Stage(stage)))
      case .step(let step, let steps, let estimate):
        last = estimate
        let timeLeft = pace.step(step, of: steps, at: now())
        apply(.step(step, of: steps, preview: colors.picture(of: estimate), timeLeft: timeLeft))
      case .picture(let drawn):
        if let last { colors.learn(last, drawn.image) }
        result = .picture(drawn)
      }
    }
    return result
  }

  private func follow(_ stream: AsyncThrowingStream<AnswerEvent, any Error>) async throws
    -> RunResult?
  {
    var result: RunResult?
    for try await event in stream {
      switch event {
      case .stage(let stage): apply(.stage(RunProgress.Stage(stage)))
      case .text(let piece): apply(.text(piece))
      case .answer(let answer): result = .answer(answer)
      }
    }
    return result
  }
}

extension RunProgress.Stage {
  fileprivate init(_ stage: DrawingEvent.Stage) {
    switch stage {
    case .looking: self = .looking
    case .reading: self = .reading
    case .conditioning: self = .conditioning
    case .drawing: self = .drawing
    case .decoding: self = .decoding
    }
  }

  fileprivate init(_ stage: AnswerEvent.Stage) {
    switch stage {
    case .looking: self = .looking
    case .reading: self = .reading
    case .answering: self = .answering
    }
  }
}
