import MobileO

/// An engine whose every call passes the gate, and is announced to the beacon before it begins.
struct WatchedEngine: Engine {
  private let gated: GatedEngine

  init(inner: any Engine, gate: CallGate, beacon: Beacon) {
    gated = GatedEngine(inner, gate: gate) { beacon.mark($0, $1) }
  }

  func prepare(for task: PipelineTask) async throws { try await gated.prepare(for: task) }

  func runtime(of component: String) async throws -> ComponentRuntime {
    try await gated.runtime(of: component)
  }

  func session(_ component: String) async throws -> any Session {
    try await gated.session(component)
  }

  func languageModel() async throws -> any LanguageModelSession {
    try await gated.languageModel()
  }
}
