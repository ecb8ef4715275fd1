import Foundation
import MobileO
import MobileOApp
import Testing

@MainActor @Suite struct StudioTests {
  private static let look = Request.Look(steps: 4, guidance: 1.5)
  private static let draw = Job.draw("a red circle", look, seed: 7)
  private static let jobs: [Job] = [
    draw, .draw("a red circle", Request.Look(steps: 3, guidance: 1), seed: 7),
    .edit(ToyBundle.picture, "make it blue", look, seed: 7),
    .ask(ToyBundle.picture, ["what is it?"], seed: 0),
    .chat(["hello", "hi", "how are you?"], seed: 0),
  ]

  @Test(arguments: 0..<5) func everyJobIsDone(_ number: Int) async throws {
    let table = try await Workbench()
    let job = Self.jobs[number]
    let state = try await table.studio.run(job)
    guard case .finished(let result, let progress) = state else {
      Issue.record("\(state)")
      return
    }
    switch result {
    case .picture(let drawn):
      #expect(job.intent.drawsPicture && drawn.picture.width == 8)
      #expect(progress.step == drawn.drawing.steps && progress.steps == drawn.drawing.steps)
      #expect(progress.preview?.width == 4 && progress.stage == .decoding)
      #expect(progress.timeLeft == .zero)
    case .answer(let answer):
      #expect(!job.intent.drawsPicture && answer.ended == .stop && answer.ids.count == 6)
      #expect(progress.text == answer.text && progress.stage == .answering)
    }
    // Of a dialog about a picture, the language model is kept for the next question.
    #expect(table.engine.open == (job.intent == .ask ? 1 : 0))
    await table.studio.memoryWarning()
    #expect(table.engine.open == 0 && table.engine.mostOpen == 1)
    #expect(table.studio.state == state && table.studio.obstacle == nil)
    table.studio.clear()
    #expect(table.studio.state == .idle)
  }

  @Test func theSameJobGivesTheSameBytes() async throws {
    let table = try await Workbench()
    var found: [Picture] = []
    for seed: UInt64 in [7, 7, 8] {
      let job = Job.draw("a red circle", Self.look, seed: seed)
      if case .finished(.picture(let drawn), _) = try await table.studio.run(job) {
        found.append(drawn.picture)
      }
    }
    #expect(found.count == 3 && found[0] == found[1] && found[0] != found[2])
  }

  enum Way: CaseIterable, Sendable { case stop, leave, cancelTask }

  /// Each job is stopped in each way while each of its calls is in flight.
  @Test(arguments: Way.allCases) func itStopsAtEveryCall(_ way: Way) async throws {
    for job in Self.jobs {
      let whole = try await Workbench()
      try await whole.studio.run(job)
      await whole.studio.memoryWarning()
      let calls = whole.engine.calls
      // What is kept for the next question is closed behind the run.
      for (number, call) in calls.enumerated()
      where job.intent != .ask || number + 1 < calls.count {
        let table = try await Workbench()
        let (studio, engine) = (table.studio, table.engine)
        let task = Task { try await studio.run(job) }
        engine.onCall { _, now in
          guard now == number else { return }
          await MainActor.run { Self.end(way, studio, task) }
        }
        let state = try await task.value
        await studio.memoryWarning()
        let after = Array(engine.calls.dropFirst(number + 1))
        #expect(after.allSatisfy { $0.hasPrefix("close") }, "\(job.intent) \(call): \(after)")
        #expect(engine.open == 0)
        // The last component's answer is there: nothing is left to be stopped.
        if ["run vae_decoder", "close vae_decoder"].contains(call)
          || !job.intent.drawsPicture && Self.isLast(number, calls)
        {
          guard case .finished = state else {
            Issue.record("\(job.intent) \(call): \(state)")
            continue
          }
        } else {
          guard case .stopped(let progress, let why) = state else {
            Issue.record("\(job.intent) \(call): \(state)")
            continue
          }
          #expect(why == (way == .leave ? .away : .stopped))
          let ran = calls[...number].filter { $0 == "run dit" }.count
          let branches = job == Self.jobs[1] ? 1 : 2
          #expect(progress.step == ran / branches, "the step in flight ends")
          #expect((progress.preview != nil) == (progress.step > 0))
        }
        // It can go on, once it is on the screen.
        engine.onCall(nil)
        studio.sceneChanged(isActive: true)
        guard case .finished = try await studio.run(job) else {
          Issue.record("nothing begins after \(call)")
          continue
        }
      }
    }
  }

  private static func end(_ way: Way, _ studio: Studio, _ task: Task<RunState, any Error>) {
    switch way {
    case .stop:
      studio.stop()
      #expect(studio.state.isBusy && studio.obstacle != nil)
      if case .stopping = studio.state { return }
      Issue.record("\(studio.state)")
    case .leave: studio.sceneChanged(isActive: false)
    case .cancelTask: task.cancel()
    }
  }

  /// Whether the token that is in flight is the one that ends the answer, or it ended.
  private static func isLast(_ number: Int, _ calls: [String]) -> Bool {
    number >= calls.count - 2
  }

  @Test func aTaskThatWasCancelledBeforeRunsNothing() async throws {
    let table = try await Workbench()
    let studio = table.studio
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await studio.run(Self.draw)
    }
    #expect(try await task.value == .stopped(RunProgress(), .stopped))
    #expect(table.engine.calls.isEmpty)
  }

  @Test func oneRunAtATime() async throws {
    let table = try await Workbench()
    let studio = table.studio
    let refused = Box<MobileOError?>(nil)
    table.engine.onCall { call, _ in
      guard call == "run mcp" else { return }
      await MainActor.run { #expect(studio.obstacle?.contains("wait") == true) }
      do {
        _ = try await studio.run(Self.draw)
        Issue.record("a second run began")
      } catch {
        refused.value = error as? MobileOError
      }
    }
    guard case .finished = try await studio.run(Self.draw) else {
      Issue.record("\(studio.state)")
      return
    }
    #expect(refused.value?.kind == .usage && table.engine.mostOpen == 1)
  }

  @Test func nothingBeginsUnlessTheSceneIsActive() async throws {
    let table = try await Workbench(isActive: false)
    await #expect(throws: MobileOError.self) { try await table.studio.run(Self.draw) }
    #expect(table.studio.state == .idle && table.engine.calls.isEmpty)
    #expect(table.studio.obstacle?.contains("screen") == true)
    table.studio.sceneChanged(isActive: true)
    try await table.studio.run(Self.draw)
    table.studio.sceneChanged(isActive: false)
    guard case .finished = table.studio.state else {
      Issue.record("leaving undid what was finished")
      return
    }
  }

  /// A scene that is back before the call in flight has ended does not revive the run.
  @Test func whatLeftDoesNotGoOnByItself() async throws {
    let table = try await Workbench()
    let studio = table.studio
    table.engine.onCall { call, number in
      guard call == "run dit", number < 10 else { return }
      await MainActor.run {
        studio.sceneChanged(isActive: false)
        studio.sceneChanged(isActive: true)
      }
    }
    guard case .stopped(_, .away) = try await studio.run(Self.draw) else {
      Issue.record("\(studio.state)")
      return
    }
  }

  /// The gate alone, closed away from the main actor, is enough.
  @Test func theGateNeedsNoMainActor() async throws {
    let table = try await Workbench()
    let gate = table.gate
    table.engine.onCall { call, _ in
      if call == "load dit" { gate.scene(isActive: false) }
    }
    let state = try await table.studio.run(Self.draw)
    #expect(state.progress?.step == 0)
    guard case .stopped(_, .away) = state else {
      Issue.record("\(state)")
      return
    }
    #expect(table.engine.calls.last == "close dit")
  }

  /// A task that is cancelled when its run is just over stops no other.
  @Test func theGateStopsTheRunThatItIsToldToStop() throws {
    let gate = CallGate()
    #expect(gate.open() == nil && gate.closed == .away)
    gate.scene(isActive: true)
    let first = try #require(gate.open())
    let second = try #require(gate.open())
    gate.stop(first)
    #expect(gate.closed == nil)
    gate.stop(second)
    #expect(gate.closed == .stopped)
    gate.scene(isActive: false)
    #expect(gate.closed == .stopped, "the first reason stands")
    #expect(gate.open() == nil)
  }

  @Test func aFailureAnywhereIsOneSentence() async throws {
    for job in Self.jobs {
      let whole = try await Workbench()
      try await whole.studio.run(job)
      for (number, call) in whole.engine.calls.enumerated() where !call.hasPrefix("close") {
        let table = try await Workbench()
        table.engine.onCall { _, now in
          if now == number { throw MobileOError(.memory, "no room\nfor it") }
        }
        let state = try await table.studio.run(job)
        guard case .failed(let sentence, _) = state else {
          Issue.record("\(job.intent) \(call): \(state)")
          continue
        }
        #expect(sentence == "no room for it" && table.engine.open == 0)
      }
    }
    let table = try await Workbench()
    guard case .failed(let sentence, _) = try await table.studio.run(.chat([" "], seed: 0)) else {
      Issue.record("\(table.studio.state)")
      return
    }
    #expect(sentence.contains("empty"))
  }

  @Test func anAnswerStreamsAndIsAsLongAsTheSettingsSay() async throws {
    let table = try await Workbench()
    let studio = table.studio
    studio.settings.longestAnswer = 3
    let texts = Box<[String]>([])
    table.engine.onCall { call, _ in
      guard call == "step llm" else { return }
      await eventually { studio.state.progress?.text.isEmpty == false }
      let text = await studio.state.progress?.text ?? ""
      texts.value.append(text)
    }
    let state = try await studio.run(.chat(["hello"], seed: 0))
    guard case .finished(.answer(let answer), let progress) = state else {
      Issue.record("\(state)")
      return
    }
    #expect(answer.ids.count == 3 && answer.ended == .length && progress.text == answer.text)
    #expect(texts.value.count == 2 && texts.value.allSatisfy { answer.text.hasPrefix($0) })
  }

  @Test func theTimeLeftIsThatOfTheSteps() async throws {
    let clock = Box(0)
    let table = try await Workbench(now: { .seconds(clock.value) })
    let studio = table.studio
    let seen = Box<[Duration?]>([])
    table.engine.onCall { call, _ in
      guard call == "run dit" else { return }
      await eventually { studio.state.progress?.step == seen.value.count }
      let left = await studio.state.progress?.timeLeft
      seen.value.append(left)
      clock.value += 3
    }
    try await studio.run(.draw("a circle", Request.Look(steps: 4, guidance: 1), seed: 1))
    #expect(seen.value == [nil, nil, .seconds(6), .seconds(3)])
    #expect(studio.state.progress?.timeLeft == .zero)
  }

  /// The first step, which loads, is left out; one slow step of many moves nothing.
  @Test func theTimeLeftIsTheMedians() {
    var pace = Pace()
    let found = [0, 100, 102, 104, 130, 132].enumerated().map { step, second in
      pace.step(step + 1, of: 6, at: .seconds(second))
    }
    #expect(found == [nil, .seconds(400), .seconds(6), .seconds(4), .seconds(2), .zero])
  }

  @Test func anotherBundleFailsToOpenInOneSentence() async throws {
    let scratch = try Scratch()
    let engine = try ToyEngine()
    await #expect(throws: MobileOError.self) {
      _ = try await Studio(
        bundle: scratch.url, engine: engine, beacon: Beacon(path: scratch.path + "/beacon"))
    }
  }
}
