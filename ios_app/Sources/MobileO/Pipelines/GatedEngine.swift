/// An engine whose every call passes a gate, and is announced before it begins.
///
/// The call in flight when the gate closes ends; the next one throws `CancellationError`, so that a
/// pipeline closes its sessions and ends.
public struct GatedEngine: Engine {
  /// What is done with a component.
  public enum Call: String, Sendable {
    case load, run
  }

  private let inner: any Engine
  private let gate: CallGate
  private let announce: @Sendable (String, Call) -> Void

  /// An engine over another; `announce` is told the component and what is about to be done with it.
  public init(
    _ inner: any Engine, gate: CallGate,
    announce: @escaping @Sendable (_ component: String, _ call: Call) -> Void = { _, _ in }
  ) {
    (self.inner, self.gate, self.announce) = (inner, gate, announce)
  }

  /// Passes the gate first.
  public func prepare(for task: PipelineTask) async throws {
    try gate.pass()
    try await inner.prepare(for: task)
  }

  /// That of the other engine's.
  public func runtime(of component: String) async throws -> ComponentRuntime {
    try await inner.runtime(of: component)
  }

  /// Passes the gate first, as every call of the session does.
  public func session(_ component: String) async throws -> any Session {
    try pass(component, .load)
    let session = try await inner.session(component)
    return GatedSession(inner: session) { try pass(component, .run) }
  }

  /// Passes the gate first, as every call of the session does.
  public func languageModel() async throws -> any LanguageModelSession {
    try pass("llm", .load)
    let session = try await inner.languageModel()
    return GatedLanguageModel(inner: session) { try pass("llm", .run) }
  }

  private func pass(_ component: String, _ call: Call) throws {
    try gate.pass()
    announce(component, call)
  }
}

private struct GatedSession: Session {
  let inner: any Session
  let pass: @Sendable () throws -> Void

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try pass()
    return try await inner.run(inputs)
  }

  func close() async { await inner.close() }
}

private struct GatedLanguageModel: LanguageModelSession {
  let inner: any LanguageModelSession
  let pass: @Sendable () throws -> Void

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try pass()
    return try await inner.run(inputs)
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    try pass()
    return try await inner.prefill(inputIDs, imageFeatures: imageFeatures)
  }

  func step(_ token: Int) async throws -> Tensor {
    try pass()
    return try await inner.step(token)
  }

  func extend(_ inputIDs: Tensor) async throws -> Tensor {
    try pass()
    return try await inner.extend(inputIDs)
  }

  func close() async { await inner.close() }
}
