import MobileO

/// Plays a recorded run of whatever is asked for, as often as it is asked for.
///
/// ``ReplayEngine`` plays one run once; this begins the run of the task anew each time, so that a user
/// interface can be tried without a model. Anything but what was recorded is an error that names what
/// differs.
actor RecordedEngine: Engine {
  private let trace: GoldenTrace
  private var current: ReplayEngine?

  init(trace: GoldenTrace) { self.trace = trace }

  func prepare(for task: PipelineTask) throws {
    let name =
      switch task {
      case .chat: "chat 1"
      case .ask: "ask"
      case .draw: "generate"
      case .edit: "edit"
      }
    current = try ReplayEngine(trace, run: name)
  }

  func session(_ component: String) async throws -> any Session {
    try await playing().session(component)
  }

  func languageModel() async throws -> any LanguageModelSession {
    try await playing().languageModel()
  }

  private func playing() throws -> ReplayEngine {
    guard let current else {
      throw MobileOError(.session, "a recorded run was not prepared; prepare the task first")
    }
    return current
  }
}
