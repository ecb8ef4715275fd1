/// Takes the time of every call that another engine answers.
public actor TimedEngine: Engine {
  private let engine: any Engine
  private var calls: [String: [Double]] = [:]

  /// Runs on `engine`.
  public init(_ engine: any Engine) { self.engine = engine }

  /// A session of the other engine's.
  public func session(_ component: String) async throws -> any Session {
    let (session, loading) = try await timed { try await engine.session(component) }
    return TimedSession(session, self, component, loading)
  }

  /// The language model of the other engine's.
  public func languageModel() async throws -> any LanguageModelSession {
    let (session, loading) = try await timed { try await engine.languageModel() }
    return TimedLanguageModel(session, self, loading)
  }

  /// As the other engine does.
  public func prepare(for task: PipelineTask) async throws { try await engine.prepare(for: task) }

  /// That of the other engine's.
  public func runtime(of component: String) async throws -> ComponentRuntime {
    try await engine.runtime(of: component)
  }

  /// Seconds of each call since this was last asked: by component, of the language model's `prefill`,
  /// `extend` and `step` apart. Where a session's first call or its opening loaded the component, that
  /// is in the first.
  public func taken() -> [String: [Double]] {
    defer { calls = [:] }
    return calls
  }

  fileprivate func add(_ call: String, _ seconds: Double) {
    calls[call, default: []].append(seconds)
  }
}

/// The result of `body`, and the seconds that it took.
private func timed<Result>(
  isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
) async throws -> (Result, Double) {
  let started = ContinuousClock.now
  let result = try await body()
  return (result, started.duration(to: .now) / .seconds(1))
}

private actor TimedSession: Session {
  private let session: any Session
  private let engine: TimedEngine
  private let component: String
  private var loading: Double

  init(_ session: any Session, _ engine: TimedEngine, _ component: String, _ loading: Double) {
    (self.session, self.engine) = (session, engine)
    (self.component, self.loading) = (component, loading)
  }

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    let (outputs, seconds) = try await timed { try await session.run(inputs) }
    await engine.add(component, loading + seconds)
    loading = 0
    return outputs
  }

  func close() async { await session.close() }
}

private actor TimedLanguageModel: LanguageModelSession {
  private let session: any LanguageModelSession
  private let engine: TimedEngine
  private var loading: Double

  init(_ session: any LanguageModelSession, _ engine: TimedEngine, _ loading: Double) {
    (self.session, self.engine, self.loading) = (session, engine, loading)
  }

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    let (outputs, seconds) = try await timed { try await session.run(inputs) }
    await add("llm", seconds)
    return outputs
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    let (logits, seconds) = try await timed {
      try await session.prefill(inputIDs, imageFeatures: imageFeatures)
    }
    await add("prefill", seconds)
    return logits
  }

  func step(_ token: Int) async throws -> Tensor {
    let (logits, seconds) = try await timed { try await session.step(token) }
    await add("step", seconds)
    return logits
  }

  func extend(_ inputIDs: Tensor) async throws -> Tensor {
    let (logits, seconds) = try await timed { try await session.extend(inputIDs) }
    await add("extend", seconds)
    return logits
  }

  func close() async { await session.close() }

  private func add(_ call: String, _ seconds: Double) async {
    await engine.add(call, loading + seconds)
    loading = 0
  }
}
