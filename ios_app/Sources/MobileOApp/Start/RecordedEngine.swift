import MobileO

/// Plays a recorded run of whatever is asked for, as often as it is asked for.
///
/// ``ReplayEngine`` plays one run once; this begins the run of the task anew each time, so that a user
/// interface can be tried without a model. Anything but what was recorded is an error that names what
/// differs.
public actor RecordedEngine: Engine {
  private let trace: GoldenTrace
  private var current: ReplayEngine?

  /// Plays the runs of `trace`.
  public init(trace: GoldenTrace) { self.trace = trace }

  /// Begins the recorded run of `task` anew.
  public func prepare(for task: PipelineTask) throws {
    let name =
      switch task {
      // A conversation was recorded turn by turn, each as a run.
      case .chat: trace.runNames.first { $0.hasPrefix("chat") } ?? "chat"
      case .ask: "ask"
      case .draw: "generate"
      case .edit: "edit"
      }
    current = try ReplayEngine(trace, run: name)
  }

  /// Nothing runs: what was recorded answers.
  public func runtime(of component: String) async throws -> ComponentRuntime {
    ComponentRuntime("replay", .device)
  }

  /// Plays a component of the run that was prepared.
  public func session(_ component: String) async throws -> any Session {
    try await playing().session(component)
  }

  /// Plays the language model of the run that was prepared.
  public func languageModel() async throws -> any LanguageModelSession {
    try await playing().languageModel()
  }

  private func playing() throws -> ReplayEngine {
    guard let current else {
      throw MobileOError(
        .session, "No recorded run was prepared: prepare the task first.")
    }
    return current
  }
}
