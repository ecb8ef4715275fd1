import MobileO

/// An engine whose every call passes the gate, and is announced to the beacon before it begins.
struct WatchedEngine: Engine {
  let inner: any Engine
  let gate: CallGate
  let beacon: Beacon

  func prepare(for task: PipelineTask) async throws {
    try gate.pass()
    try await inner.prepare(for: task)
  }

  func runtime(of component: String) async throws -> ComponentRuntime {
    try await inner.runtime(of: component)
  }

  func session(_ component: String) async throws -> any Session {
    try gate.pass()
    beacon.mark(component, .load)
    return WatchedSession(
      inner: try await inner.session(component), component: component, gate: gate, beacon: beacon)
  }

  func languageModel() async throws -> any LanguageModelSession {
    try gate.pass()
    beacon.mark("llm", .load)
    return WatchedLanguageModel(
      inner: try await inner.languageModel(), gate: gate, beacon: beacon)
  }
}

private struct WatchedSession: Session {
  let inner: any Session
  let component: String
  let gate: CallGate
  let beacon: Beacon

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try gate.pass()
    beacon.mark(component, .run)
    return try await inner.run(inputs)
  }

  func close() async { await inner.close() }
}

private struct WatchedLanguageModel: LanguageModelSession {
  let inner: any LanguageModelSession
  let gate: CallGate
  let beacon: Beacon

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

  private func pass() throws {
    try gate.pass()
    beacon.mark("llm", .run)
  }
}
