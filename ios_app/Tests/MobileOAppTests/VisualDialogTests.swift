import Foundation
import MobileO
import MobileOApp
import Testing

/// Further questions about a picture: what is read, what is kept, and that neither changes an answer.
@Suite struct VisualDialogTests {
  private static let questions = ["what is it?", "which color?", "how large?"]

  private static func model(_ engine: any Engine) async throws -> MobileO {
    let bundle = try ToyBundle.made()
    defer { withExtendedLifetime(bundle) {} }
    return try await MobileO(bundle: bundle.url, engine: engine)
  }

  /// The answer to the last of `turns`, everything read from the beginning.
  private static func whole(_ turns: [String], _ how: Sampling? = nil) async throws -> Answer {
    let model = try await model(ToyEngine())
    let dialog = VisualDialog(model, about: ToyBundle.picture, turns: Array(turns.dropLast()))
    return try await dialog.ask(turns.last ?? "", how)
  }

  @Test func aFurtherQuestionCostsItsOwnTokens() async throws {
    let engine = try ToyEngine()
    let dialog = VisualDialog(try await Self.model(engine), about: ToyBundle.picture)
    for (number, question) in Self.questions.enumerated() {
      let (before, turns) = (engine.calls.count, await dialog.turns + [question])
      var text = ""
      for try await event in dialog.asking(question) {
        if case .text(let piece) = event { text += piece }
      }
      let calls = engine.calls.dropFirst(before)
      let opening = ["vision_encoder", "vision_encoder", "vision_encoder", "llm", "llm"]
      let first =
        number == 0
        ? zip(["load", "run", "close", "load", "prefill"], opening).map { "\($0) \($1)" }
        : ["extend llm"]
      #expect(Array(calls.prefix(first.count)) == first)
      #expect(calls.dropFirst(first.count).allSatisfy { $0 == "step llm" })
      let whole = try await Self.whole(turns)
      #expect(await dialog.turns == turns + [whole.text] && text == whole.text)
      #expect(await dialog.isOpen)
    }
    await dialog.close()
    await dialog.close()
    #expect(await dialog.isOpen == false && engine.open == 0 && engine.calls.last == "close llm")
  }

  /// What is closed, by a memory warning say, is read anew: with the same tokens.
  @Test func whatIsClosedIsReadAnew() async throws {
    let engine = try ToyEngine()
    let dialog = VisualDialog(try await Self.model(engine), about: ToyBundle.picture)
    for question in Self.questions {
      let turns = await dialog.turns + [question]
      #expect(try await dialog.ask(question) == Self.whole(turns))
      await dialog.close()
    }
    #expect(engine.calls.filter { $0 == "run vision_encoder" }.count == 1, "it is seen once")
    #expect(engine.calls.filter { $0 == "prefill llm" }.count == 3 && engine.open == 0)
  }

  /// It fails, or is cancelled, while each call of a further question is in flight.
  @Test func whatEndsEarlyLeavesTheDialogAsItWas() async throws {
    for cancels in [false, true] {
      for number in 0..<7 {
        let engine = try ToyEngine()
        let dialog = VisualDialog(try await Self.model(engine), about: ToyBundle.picture)
        _ = try await dialog.ask(Self.questions[0])
        let (before, turns) = (engine.calls.count, await dialog.turns)
        let task = Box<Task<Answer, any Error>?>(nil)
        engine.onCall { _, now in
          guard now == before + number else { return }
          if !cancels { throw MobileOError(.memory, "no room") }
          await eventually { task.value != nil }
          task.value?.cancel()
        }
        task.value = Task { try await dialog.ask(Self.questions[1]) }
        let result = await task.value?.result ?? .failure(CancellationError())
        let isLast = number == 6 && cancels
        #expect((try? result.get()) == nil || isLast, "the last token ends it anyway")
        if !isLast {
          #expect(await dialog.turns == turns && engine.open == 0, "\(number)")
        }
        engine.onCall(nil)
        let next = await dialog.turns + ["and now?"]
        #expect(try await dialog.ask("and now?") == Self.whole(next))
        await dialog.close()
        #expect(engine.open == 0 && engine.mostOpen == 1)
      }
    }
  }

  @Test func oneQuestionAtATime() async throws {
    let engine = try ToyEngine()
    let dialog = VisualDialog(try await Self.model(engine), about: ToyBundle.picture)
    engine.onCall { call, _ in
      guard call == "prefill llm" else { return }
      await #expect(throws: MobileOError.self) { try await dialog.ask("meanwhile?") }
      // What is closed meanwhile is closed behind the answer.
      await dialog.close()
      #expect(engine.open == 1)
    }
    let said = try await dialog.ask(Self.questions[0])
    #expect(await dialog.turns == [Self.questions[0], said.text])
    #expect(await dialog.isOpen == false && engine.open == 0)
    await #expect(throws: MobileOError.self) { try await dialog.ask(" ") }
  }

  /// Where positions run out the oldest exchanges go, and the picture stays.
  @Test func theOldestExchangesGoFirst() async throws {
    let engine = try ToyEngine()
    let model = try await Self.model(engine)
    let dialog = VisualDialog(model, about: ToyBundle.picture)
    let how = try Sampling(model.recipe, maxNewTokens: 4)
    let long = String(repeating: "why and how ", count: model.longestText / 12)
    var cuts: [Int] = []
    for number in 0..<5 {
      let turns = await dialog.turns + ["\(number) \(long)"]
      let said = try await dialog.ask(turns[turns.count - 1], how)
      #expect(try await said == Self.whole(turns, how))
      let tokens = model.recipe.preprocessing.tokens
      #expect(said.prompt.ids.count - 1 + tokens + 4 <= model.longestText)
      #expect(said.prompt.ids.filter { $0 == model.recipe.text.imageToken }.count == 1)
      cuts.append(said.prompt.cut)
    }
    #expect(cuts[0] == 0 && (cuts.last ?? 0) > 0)
    await dialog.close()
  }

  /// An engine that lends one component at a time has the language model back when it is closed.
  @Test(arguments: MemoryPlan.Policy.allCases) func aPlannedEngineGoesOn(
    _ policy: MemoryPlan.Policy
  ) async throws {
    let toy = try ToyEngine()
    let engine = PlannedEngine(toy, Footprint.of(toy.manifest), policy: policy) { 1 << 30 }
    let model = try await Self.model(engine)
    let dialog = VisualDialog(model, about: ToyBundle.picture)
    for question in Self.questions {
      let turns = await dialog.turns + [question]
      #expect(try await dialog.ask(question) == Self.whole(turns))
    }
    #expect(toy.calls.filter { $0 == "extend llm" }.count == 2)
    await dialog.close()
    for try await _ in model.generate("a red circle", steps: 2) {}
    let turns = await dialog.turns + ["and now?"]
    #expect(try await dialog.ask("and now?") == Self.whole(turns))
    await dialog.close()
    await engine.closeAll()
    #expect(toy.open == 0)
  }

  /// One that nobody holds any more gives the language model back by itself.
  @Test func whatIsForgottenIsClosed() async throws {
    let engine = try ToyEngine()
    let model = try await Self.model(engine)
    do {
      let dialog = VisualDialog(model, about: ToyBundle.picture)
      _ = try await dialog.ask(Self.questions[0])
      #expect(engine.open == 1)
    }
    await eventually { engine.open == 0 }
  }
}

/// What the studio and a conversation make of it.
@MainActor @Suite struct FollowUpTests {
  private static func ask(_ picture: Picture = ToyBundle.picture, _ turns: String...) -> Job {
    .ask(picture, turns, seed: 0)
  }

  private static func text(_ state: RunState) throws -> String {
    guard case .finished(.answer(let answer), _) = state else {
      throw MobileOError(.usage, "\(state)")
    }
    return answer.text
  }

  @Test func aFollowUpGoesOnAndEverythingElseEndsIt() async throws {
    let other = ToyBundle.made(width: 9, height: 9) { UInt8($0 % 7) }
    let look = Request.Look(steps: 2, guidance: 1)
    for (number, what) in ["draw", "chat", "picture", "leave", "warning"].enumerated() {
      let table = try await Workbench()
      let (studio, engine) = (table.studio, table.engine)
      let first = try Self.text(try await studio.run(Self.ask(ToyBundle.picture, "what?")))
      #expect(engine.open == 1)
      let turns = ["what?", first, "which color?"]
      let second = Job.ask(ToyBundle.picture, turns, seed: 0)
      let kept = try Self.text(try await studio.run(second))
      #expect(engine.calls.filter { $0 == "extend llm" }.count == 1 && engine.open == 1)
      switch number {
      case 0: try await studio.run(.draw("a", look, seed: 1))
      case 1: try await studio.run(.chat(["hello"], seed: 1))
      case 2: try await studio.run(Self.ask(other, "what?"))
      case 3:
        studio.sceneChanged(isActive: false)
        await eventually { engine.open == 0 }
        studio.sceneChanged(isActive: true)
      default: await studio.memoryWarning()
      }
      #expect(engine.open == (number == 2 ? 1 : 0) && engine.mostOpen == 1, "\(what)")
      // Asked anew it is the same answer.
      let before = engine.calls.count
      #expect(try Self.text(try await studio.run(second)) == kept, "\(what)")
      #expect(engine.calls.dropFirst(before).contains("prefill llm"), "\(what)")
      #expect(table.memory.content.isEmpty, "the beacon is out")
      await studio.memoryWarning()
      #expect(engine.open == 0 && engine.mostOpen == 1)
    }
  }

  /// A memory warning while an answer is written: it is written to its end, and nothing is kept.
  @Test func aMemoryWarningMeanwhileKeepsTheAnswer() async throws {
    let table = try await Workbench()
    let (studio, engine) = (table.studio, table.engine)
    engine.onCall { call, _ in if call == "prefill llm" { await studio.memoryWarning() } }
    _ = try Self.text(try await studio.run(Self.ask(ToyBundle.picture, "what?")))
    #expect(engine.open == 0)
  }

  @Test func aConversationKnowsWhatWasSaidAboutItsPicture() async throws {
    let talk = try await Talk()
    let (model, engine) = (talk.model, talk.table.engine)
    await talk.send(.ask, "what is it?", ToyBundle.picture)
    model.composer.picture = nil
    await talk.send(.chat, "hello")
    await talk.send(.ask, "which color?", ToyBundle.picture)
    await talk.send(.ask, "how large?")
    #expect(engine.calls.filter { $0 == "extend llm" }.count == 1)
    let turns = model.conversation.turns.filter { $0.request.intent == .ask }
    let texts = turns.compactMap { turn -> String? in
      if case .answer(let text, .stop, 0) = turn.reply { text } else { nil }
    }
    #expect(turns.count == 3 && texts.count == 3 && model.notice == nil)
    let dialog = VisualDialog(
      talk.table.studio.model, about: ToyBundle.picture,
      turns: ["what is it?", texts[0], "which color?", texts[1]])
    await talk.table.studio.memoryWarning()
    #expect(try await dialog.ask("how large?").text == texts[2])
    await dialog.close()
    let name = try #require(turns[0].request.picture)
    #expect(model.conversation.history(about: name).count == 6)
    #expect(model.conversation.history.count == 2, "a chat knows of the chat alone")
    // A conversation that is opened again goes on where it was.
    let next = ConversationModel(
      model.conversation, studio: talk.table.studio, library: talk.library, chance: { 42 })
    (next.composer.intent, next.composer.text) = (.ask, "what else?")
    next.composer.picture = name
    await next.send()
    #expect(next.notice == nil && next.conversation.history(about: name).count == 8)
    await talk.table.studio.memoryWarning()
  }
}
