/// An engine that keeps components loaded between tasks where there is room, and says before a task
/// begins when there is not.
///
///     let engine = PlannedEngine(device, Footprint.of(manifest)) { freeBytes() }
///     let model = try await MobileO(bundle: url, engine: engine)
///
/// It follows a ``MemoryPlan``, made anew of what is free whenever a component is asked for. One
/// component is lent at a time: whoever asks for another meanwhile waits, so close the session that you
/// have before you ask for the next, as the pipelines do.
public actor PlannedEngine: Engine {
  private let engine: any Engine
  private let footprints: [String: Footprint]
  private let policy: MemoryPlan.Policy
  private let patience: Duration
  private let headroom: @Sendable () -> Int
  private let turns = Turns()
  private var sessions: [String: any Session] = [:]
  private var expected: [MemoryPlan.Stage] = []
  private var again: [MemoryPlan.Stage] = []
  /// When a session was closed last.
  private var closed: ContinuousClock.Instant?
  private var loan = 0
  /// What is lent now.
  private var lent: String?
  /// Whether what is lent goes when it comes back.
  private var doubted = false

  /// An engine over another.
  ///
  /// - Parameters:
  ///   - engine: loads and runs the components.
  ///   - footprints: of all of them.
  ///   - policy: whether components stay for the next task.
  ///   - patience: how long a load waits for memory that was given back, which some systems return late.
  ///   - headroom: how many bytes this process may still take, beside what is loaded.
  public init(
    _ engine: any Engine, _ footprints: [String: Footprint], policy: MemoryPlan.Policy = .keep,
    patience: Duration = .seconds(3), headroom: @escaping @Sendable () -> Int
  ) {
    self.engine = engine
    self.footprints = footprints
    self.policy = policy
    self.patience = patience
    self.headroom = headroom
  }

  /// What is loaded now.
  public var loaded: Set<String> { Set(sessions.keys) }

  /// Plans for `task`: what it needs is kept from now on.
  ///
  /// - Throws: ``MobileOError`` of kind `memory`, with both figures: it does not fit.
  public func prepare(for task: PipelineTask) async throws {
    let stages = try MemoryPlan.stages(task, footprints)
    _ = try await plan(stages, then: stages)
    (expected, again) = (stages, stages)
  }

  /// A component, kept from before or loaded now.
  ///
  /// - Throws: ``MobileOError`` of kind `memory`: there is no room for it.
  public func session(_ component: String) async throws -> any Session {
    try await lend(component)
  }

  /// The language model, kept from before or loaded now.
  ///
  /// - Throws: ``MobileOError`` of kind `memory`: there is no room for it.
  public func languageModel() async throws -> any LanguageModelSession { try await lend("llm") }

  /// That of the other engine's.
  public func runtime(of component: String) async throws -> ComponentRuntime {
    try await engine.runtime(of: component)
  }

  /// Closes everything: when a bundle is changed, or the app leaves. Waits for what is lent.
  public func closeAll() async {
    guard (try? await turns.begin()) != nil else { return }
    for name in loaded.sorted() { await close(name) }
    await turns.end()
  }

  /// Closes all that is not lent, and waits for nobody: when the system warns of memory. What is lent
  /// goes when it comes back.
  public func dropIdle() async {
    if lent != nil { doubted = true }
    for name in loaded.sorted() where name != lent { await close(name) }
  }

  private func lend(_ component: String) async throws -> Lent {
    try await turns.begin()
    do {
      let session = try await open(component)
      loan += 1
      return Lent(owner: self, component: component, loan: loan, session: session)
    } catch {
      await turns.end()
      throw error
    }
  }

  /// Makes room for a component and loads it, unless it is there.
  private func open(_ component: String) async throws -> any Session {
    guard let footprint = footprints[component] else { throw MemoryPlan.unknown(component) }
    var stage = MemoryPlan.Stage(component: component, working: footprint.activations)
    if let place = expected.firstIndex(where: { $0.component == component }) {
      stage = expected[place]
      expected.removeSubrange(...place)
    }
    for step in try await plan([stage] + expected, then: again).steps {
      if case .unload(let name) = step { await close(name) } else { break }
    }
    if let kept = sessions[component] {
      mark(lent: component)
      return kept
    }
    try await wait(component, footprint.weights.plus(stage.working))
    let made: any Session =
      component == "llm"
      ? try await engine.languageModel() : try await engine.session(component)
    sessions[component] = made
    mark(lent: component)
    return made
  }

  /// From here on it is not idle.
  private func mark(lent component: String) { (lent, doubted) = (component, false) }

  /// Looks again as long as memory that was given back may not show yet.
  private func plan(
    _ stages: [MemoryPlan.Stage], then: [MemoryPlan.Stage]
  ) async throws -> MemoryPlan {
    while true {
      let kept = loaded.reduce(0) { $0.plus(footprints[$1]?.weights ?? 0) }
      do {
        return try MemoryPlan(
          stages, then: then, footprints, budget: max(0, headroom()).plus(kept), policy: policy,
          loaded: loaded)
      } catch let error as MobileOError where error.kind == .memory {
        try await pause(or: error)
      }
    }
  }

  private func wait(_ component: String, _ needed: Int) async throws {
    while true {
      let free = headroom()
      if free >= needed { return }
      try await pause(or: MemoryPlan.shortage(component, needed: needed, free: free))
    }
  }

  private func pause(or error: MobileOError) async throws {
    guard let closed, ContinuousClock.now < closed + patience else { throw error }
    try await Task.sleep(for: .milliseconds(50))
  }

  private func close(_ name: String) async {
    guard let session = sessions.removeValue(forKey: name) else { return }
    closed = .now
    await session.close()
    closed = .now
  }

  /// Fails when the loan is over; a session that was closed may be lent to another by now.
  fileprivate func check(_ loan: Int, _ component: String) throws {
    if loan != self.loan {
      throw MobileOError(.session, "\(component) was closed before; ask the engine for it again")
    }
  }

  /// What failed once is not kept for the next task.
  fileprivate func doubt(_ loan: Int) { if loan == self.loan { doubted = true } }

  fileprivate func giveBack(_ loan: Int, _ component: String) async {
    guard loan == self.loan else { return }
    self.loan += 1
    let goes = policy == .drop && expected.first?.component != component
    let isDoubted = doubted
    (lent, doubted) = (nil, false)
    if isDoubted || goes { await close(component) }
    await turns.end()
  }
}

/// A component for the time of a loan.
private struct Lent: LanguageModelSession {
  let owner: PlannedEngine
  let component: String
  let loan: Int
  let session: any Session

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try await watched { try await session.run(inputs) }
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    try await watched { try await model.prefill(inputIDs, imageFeatures: imageFeatures) }
  }

  func step(_ token: Int) async throws -> Tensor {
    try await watched { try await model.step(token) }
  }

  func extend(_ inputIDs: Tensor) async throws -> Tensor {
    try await watched { try await model.extend(inputIDs) }
  }

  func close() async { await owner.giveBack(loan, component) }

  private var model: any LanguageModelSession {
    get throws {
      if let model = session as? any LanguageModelSession { return model }
      throw MobileOError(.session, "\(component) is no language model; ask for languageModel()")
    }
  }

  private func watched<Result>(_ body: () async throws -> Result) async throws -> Result {
    try await owner.check(loan, component)
    do {
      return try await body()
    } catch {
      await owner.doubt(loan)
      throw error
    }
  }
}
