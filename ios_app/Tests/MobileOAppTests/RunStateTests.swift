import MobileO
import MobileOApp
import Testing

/// Every state under every event.
@MainActor @Suite struct RunStateTests {
  private static func answer() async throws -> RunResult {
    let model = try await Workbench().studio.model
    return .answer(try await model.chat(["hello"]))
  }

  private static func states() async throws -> [(String, RunState)] {
    let (answer, progress) = (try await answer(), RunProgress())
    return [
      ("idle", .idle), ("running", .running(progress)),
      ("stopping", .stopping(progress, .stopped)), ("finished", .finished(answer, progress)),
      ("stopped", .stopped(progress, .away)), ("failed", .failed("no", progress)),
    ]
  }

  private static func events() async throws -> [(String, RunState.Event)] {
    [
      ("begin", .begin), ("stage", .stage(.reading)),
      ("step", .step(1, of: 4, preview: nil, timeLeft: nil)), ("text", .text("a")),
      ("stop", .stop(.away)), ("done", .done(try await answer())), ("ended", .ended(.away)),
      ("failed", .failed("no")), ("clear", .clear),
    ]
  }

  /// What is not here cannot happen.
  private static let table: [String: [String: String]] = [
    "idle": ["begin": "running"],
    "running": [
      "stage": "running", "step": "running", "text": "running", "stop": "stopping",
      "done": "finished", "ended": "stopped", "failed": "failed",
    ],
    "stopping": [
      "stage": "stopping", "step": "stopping", "text": "stopping", "done": "finished",
      "ended": "stopped", "failed": "failed",
    ],
    "finished": ["begin": "running", "clear": "idle"],
    "stopped": ["begin": "running", "clear": "idle"],
    "failed": ["begin": "running", "clear": "idle"],
  ]

  private static func name(_ state: RunState?) -> String? {
    switch state {
    case nil: nil
    case .idle: "idle"
    case .running: "running"
    case .stopping: "stopping"
    case .finished: "finished"
    case .stopped: "stopped"
    case .failed: "failed"
    }
  }

  @Test func everyTransitionIsThatOfTheTable() async throws {
    let events = try await Self.events()
    for (from, state) in try await Self.states() {
      for (name, event) in events {
        #expect(Self.name(state.after(event)) == Self.table[from]?[name], "\(from), \(name)")
      }
    }
  }

  @Test func aRunBeginsWithNothing() async throws {
    for (_, state) in try await Self.states() {
      if let begun = state.after(.begin) { #expect(begun.progress == RunProgress()) }
    }
  }

  @Test func progressAddsUpAndStays() throws {
    let preview = ToyBundle.picture
    var state = RunState.running(RunProgress())
    for event: RunState.Event in [
      .stage(.drawing), .step(1, of: 3, preview: preview, timeLeft: nil),
      .step(2, of: 3, preview: nil, timeLeft: .seconds(2)), .text("a"), .stop(.stopped),
      .stage(.decoding), .text("b"), .ended(.away),
    ] {
      state = try #require(state.after(event))
    }
    let progress = try #require(state.progress)
    #expect(progress.stage == .decoding && progress.step == 2 && progress.steps == 3)
    #expect(progress.preview == preview && progress.timeLeft == .seconds(2))
    #expect(progress.text == "ab")
    // The first reason stands.
    #expect(state == .stopped(progress, .stopped))
  }

  @Test func stepsFollowEachOther() throws {
    let first = RunState.Event.step(1, of: 2, preview: nil, timeLeft: nil)
    let state = try #require(RunState.running(RunProgress()).after(first))
    for (step, steps) in [(1, 2), (3, 3), (2, 3), (0, 2), (3, 2)] {
      #expect(state.after(.step(step, of: steps, preview: nil, timeLeft: nil)) == nil)
    }
    #expect(RunState.idle.progress == nil)
  }
}
