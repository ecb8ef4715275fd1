import Foundation
import MobileO
import MobileOApp
import Observation
import Testing

/// A conversation over a library in memory and the toy.
@MainActor struct Talk {
  let table: Workbench
  let memory = MemoryDisk()
  let library: Library
  let model: ConversationModel

  static let folder = URL(fileURLWithPath: "/library")

  init() async throws {
    table = try await Workbench()
    library = try Library(folder: Self.folder, disk: memory.disk)
    model = ConversationModel(studio: table.studio, library: library, chance: { 42 })
  }

  func send(_ intent: Intent, _ text: String, _ picture: Picture? = nil) async {
    (model.composer.intent, model.composer.text) = (intent, text)
    if let picture { await model.attach(picture) }
    await model.send()
  }

  /// What the next start finds.
  func reopened() throws -> Conversation? {
    let disk = MemoryDisk(memory.content).disk
    return try Library(folder: Self.folder, disk: disk).conversation(model.conversation.id)
  }
}

@MainActor @Suite struct ConversationTests {
  @Test func everyIntentIsAnsweredAndSaved() async throws {
    let talk = try await Talk()
    let (model, library) = (talk.model, talk.library)
    await talk.send(.chat, "hello")
    await talk.send(.draw, "a red circle")
    await talk.send(.ask, "what is it?", ToyBundle.picture)
    await talk.send(.ask, "which color?")
    await talk.send(.edit, "make it blue")
    #expect(model.notice == nil && model.running == nil && model.progress == nil)
    let turns = model.conversation.turns
    #expect(turns.map(\.request.intent) == [.chat, .draw, .ask, .ask, .edit])
    for turn in turns {
      switch turn.reply {
      case .answer(let text, let end, let cut):
        #expect(!turn.request.intent.drawsPicture && !text.isEmpty && end == .stop && cut == 0)
      case .picture(let name, let stoppedAfter, _):
        let bytes = try library.bytes(of: #require(name))
        let texts = try PNG.texts(bytes)
        #expect(texts["prompt"] == turn.request.text && texts["seed"] == "42")
        #expect(texts["intent"] == turn.request.intent.rawValue)
        #expect(texts["bundle"] == talk.table.studio.model.manifest.identity)
        #expect(texts["source"] == turn.request.picture && texts["recipe"] != nil)
        #expect(texts["steps"] == "4" && texts["guidance"] == "1.5" && stoppedAfter == nil)
      default: Issue.record("\(turn)")
      }
    }
    // A follow-up needs no picture again, and an edit shows before and after.
    #expect(turns[2].request.picture == turns[3].request.picture)
    #expect(try library.picture(#require(turns[4].request.picture)) == ToyBundle.picture)
    #expect(try talk.reopened() == model.conversation)
    #expect(library.strays.isEmpty && library.conversations.count == 1)
  }

  @Test func aChatKnowsWhatWasSaidInIt() async throws {
    let talk = try await Talk()
    await talk.send(.chat, "hello")
    await talk.send(.draw, "a red circle")
    await talk.send(.ask, "what is it?", ToyBundle.picture)
    talk.model.composer.picture = nil
    await talk.send(.chat, " ")
    await talk.send(.chat, "goodbye")
    let turns = talk.model.conversation.turns
    guard case .answer(let first, _, _) = turns[0].reply else {
      Issue.record("\(turns[0])")
      return
    }
    #expect(turns.count == 4)
    #expect(talk.model.conversation.history.prefix(3) == ["hello", first, "goodbye"])
    // The very prompt: the answer is that of the model to these texts.
    let model = talk.table.studio.model
    let direct = try await model.chat(["hello", first, "goodbye"])
    #expect(turns[3].reply == .answer(text: direct.text, end: .stop, cut: 0))
  }

  @Test func whatIsInvalidBeginsNothing() async throws {
    let talk = try await Talk()
    await talk.send(.edit, "make it blue")
    #expect(talk.model.notice?.contains("needs a picture") == true)
    #expect(talk.model.obstacle == talk.model.notice)
    #expect(talk.model.composer.text == "make it blue", "nothing typed is lost")
    talk.table.studio.sceneChanged(isActive: false)
    await talk.send(.chat, "hello")
    #expect(talk.model.notice?.contains("screen") == true)
    #expect(talk.model.conversation.turns.isEmpty && talk.memory.content.isEmpty)
    talk.table.studio.sceneChanged(isActive: true)
    await talk.send(.chat, "hello")
    #expect(talk.model.notice == nil && talk.model.conversation.turns.count == 1)
  }

  @Test func aPictureMadeAgainHasTheSameBytes() async throws {
    let talk = try await Talk()
    await talk.send(.draw, "a red circle")
    await talk.send(.edit, "make it blue", ToyBundle.picture)
    for turn in talk.model.conversation.turns { await talk.model.makeAgain(turn.id) }
    let turns = talk.model.conversation.turns
    #expect(turns.count == 4 && talk.model.notice == nil)
    #expect(turns[2].request == turns[0].request && turns[3].request == turns[1].request)
    #expect(turns[2].reply == turns[0].reply && turns[3].reply == turns[1].reply)
    #expect(turns[0].reply?.picture != turns[1].reply?.picture)
  }

  @Test func makingAgainIsRefusedByName() async throws {
    let talk = try await Talk()
    await talk.send(.chat, "hello")
    var saved = talk.model.conversation
    let look = Request.Look(steps: 4, guidance: 1.5)
    let bundle = String(repeating: "ab", count: 32)
    saved.turns.append(
      Turn(Request(intent: .draw, text: "a", look: look, seed: 1, bundle: bundle)))
    try talk.library.save(saved)
    await talk.model.makeAgain(saved.turns[1].id)
    #expect(talk.model.notice?.contains("abababababab") == true)
    await talk.model.makeAgain(saved.turns[0].id)
    #expect(talk.model.notice?.contains("Only pictures") == true)
    #expect(talk.model.conversation.turns.count == 2)
  }

  @Test func aStoppedDrawingKeepsItsLastPreview() async throws {
    for (stopAt, steps) in [("load llm", 0), ("run dit", 2)] {
      let talk = try await Talk()
      let model = talk.model
      let count = Box(0)
      talk.table.engine.onCall { call, _ in
        guard call == stopAt else { return }
        count.value += 1
        if call == "load llm" || count.value == 4 { await model.stop() }
      }
      await talk.send(.draw, "a red circle")
      guard case .picture(let name, let stoppedAfter, _) = model.conversation.turns[0].reply else {
        Issue.record("\(model.conversation)")
        continue
      }
      #expect(stoppedAfter == steps && (name != nil) == (steps > 0))
      if let name {
        let texts = try PNG.texts(talk.library.bytes(of: name))
        #expect(texts["preview"] == "step 2" && texts["intent"] == "draw")
        #expect(texts["prompt"] == "a red circle" && texts["seed"] == "42")
        #expect(try talk.library.picture(name).width == 4)
      }
      #expect(try talk.reopened() == model.conversation)
    }
  }

  @Test func aStoppedAnswerKeepsItsText() async throws {
    let talk = try await Talk()
    let model = talk.model
    let count = Box(0)
    talk.table.engine.onCall { call, _ in
      if call == "step llm" { count.value += 1 }
      if count.value == 3 { await model.stop() }
    }
    await talk.send(.chat, "hello")
    let whole = try await Talk()
    await whole.send(.chat, "hello")
    guard case .answer(let text, .stopped, _) = model.conversation.turns[0].reply,
      case .answer(let all, .stop, _) = whole.model.conversation.turns[0].reply
    else {
      Issue.record("\(model.conversation)")
      return
    }
    #expect(!text.isEmpty && all.hasPrefix(text) && text.count < all.count)
    // It is part of the talk.
    talk.table.engine.onCall(nil)
    await talk.send(.chat, "go on")
    let turns = model.conversation.turns
    #expect(turns.count == 2 && model.conversation.history.prefix(2) == ["hello", text])
  }

  /// While it is made the turn is on the disk without a reply, and its progress is shown.
  @Test func aKillWhileItIsMadeLosesOnlyTheReply() async throws {
    let talk = try await Talk()
    let model = talk.model
    let left = Box<[String: [UInt8]]>([:])
    let memory = talk.memory
    talk.table.engine.onCall { call, _ in
      guard call == "run vae_decoder" else { return }
      left.value = memory.content
      await eventually { model.running != nil && model.progress?.step == 4 }
    }
    await talk.send(.draw, "a red circle")
    let found = try Library(folder: Talk.folder, disk: MemoryDisk(left.value).disk)
    let turn = try #require(found.conversations.first?.turns.first)
    #expect(turn.request == model.conversation.turns[0].request && turn.reply == nil)
    #expect(found.problems.isEmpty)
  }

  @Test func aFailureIsSaidAndSaved() async throws {
    let talk = try await Talk()
    talk.table.engine.onCall { call, _ in
      if call == "load dit" { throw MobileOError(.memory, "needs 2.9 GB, 2.1 GB are free") }
    }
    await talk.send(.draw, "a red circle")
    let reply = Reply.failed(sentence: "needs 2.9 GB, 2.1 GB are free")
    #expect(talk.model.conversation.turns[0].reply == reply)
    #expect(try talk.reopened()?.turns[0].reply == reply)
  }

  @Test func aPictureThatIsGoneIsSaid() async throws {
    let talk = try await Talk()
    await talk.send(.edit, "make it blue", ToyBundle.picture)
    let turn = try #require(talk.model.conversation.turns.first)
    talk.memory.content["/library/pictures/" + (turn.request.picture ?? "")] = nil
    let next = ConversationModel(
      talk.model.conversation, studio: talk.table.studio, library: talk.library)
    await next.makeAgain(turn.id)
    #expect(next.notice?.contains("no longer in the library") == true)
    #expect(next.conversation.turns.count == 1)
  }

  /// A disk that is full when the answer is there: it is shown, and saved with the next change.
  @Test func anAnswerThatCannotBeSavedStays() async throws {
    let talk = try await Talk()
    let memory = talk.memory
    talk.table.engine.onCall { call, _ in if call == "close llm" { memory.die(at: 0) } }
    await talk.send(.chat, "hello")
    #expect(talk.model.notice != nil)
    guard case .answer = talk.model.conversation.turns[0].reply else {
      Issue.record("\(talk.model.conversation)")
      return
    }
    #expect(try talk.reopened()?.turns[0].reply == nil)
    memory.die(at: .max)
    talk.table.engine.onCall(nil)
    await talk.send(.chat, "and now?")
    #expect(talk.model.notice == nil)
    #expect(try talk.reopened() == talk.model.conversation)
  }

  @Test func aConversationThatIsDeletedMeanwhileStaysDeleted() async throws {
    for intent in [Intent.chat, .draw] {
      let talk = try await Talk()
      let (model, library) = (talk.model, talk.library)
      talk.table.engine.onCall { call, _ in
        guard call == "load llm" else { return }
        await MainActor.run {
          #expect(throws: Never.self) { try library.delete(model.conversation.id) }
        }
      }
      await talk.send(intent, "hello")
      #expect(library.conversations.isEmpty && talk.memory.content.isEmpty && model.notice == nil)
    }
  }

  @Test func aNameGivenMeanwhileStays() async throws {
    let talk = try await Talk()
    let (model, library) = (talk.model, talk.library)
    talk.table.engine.onCall { call, _ in
      guard call == "close llm" else { return }
      await MainActor.run {
        #expect(throws: Never.self) { try library.rename(model.conversation.id, to: "Mine") }
      }
    }
    await talk.send(.chat, "hello")
    #expect(model.conversation.title == "Mine" && model.conversation.turns[0].reply != nil)
    #expect(try talk.reopened() == model.conversation)
  }

  @Test func whatIsAttachedIsSavedWhenItIsSent() async throws {
    let talk = try await Talk()
    await talk.model.attach(ToyBundle.picture)
    let name = try #require(talk.model.composer.picture)
    #expect(talk.memory.content.isEmpty)
    #expect(try talk.model.asSeen(name).width == 16, "it is seen before it is sent")
    await talk.send(.ask, "what is it?")
    #expect(try talk.library.picture(name) == ToyBundle.picture)
    // A follow-up brings it back where the conversation was deleted.
    try talk.library.delete(talk.model.conversation.id)
    #expect(talk.memory.content.isEmpty)
    await talk.send(.ask, "which color?")
    #expect(try talk.library.picture(name) == ToyBundle.picture)
    #expect(talk.model.conversation.turns.count == 1 && talk.model.notice == nil)
  }

  /// While the picture of a turn is packed and saved, the next waits.
  @Test func oneTurnAtATime() async throws {
    let talk = try await Talk()
    let model = talk.model
    let first = Task { await talk.send(.draw, "a red circle") }
    var waited = 0
    while model.conversation.turns.first?.reply == nil {
      if model.running != nil {
        (model.composer.intent, model.composer.text) = (.chat, "hello")
        #expect(model.obstacle?.contains("wait") == true)
        await model.send()
        #expect(model.notice == model.obstacle)
        waited += 1
      }
      await Task.yield()
    }
    await first.value
    #expect(waited > 0 && model.conversation.turns.count == 1)
  }

  /// Only the conversation that runs shows progress, and only it can stop it.
  @Test func anotherConversationWaits() async throws {
    let talk = try await Talk()
    let other = ConversationModel(studio: talk.table.studio, library: talk.library)
    talk.table.engine.onCall { call, _ in
      guard call == "run mcp" else { return }
      await MainActor.run {
        other.composer.text = "hello"
        #expect(other.obstacle?.contains("wait") == true && other.progress == nil)
        other.stop()
      }
      await other.send()
      await MainActor.run { #expect(other.notice == other.obstacle) }
    }
    await talk.send(.draw, "a red circle")
    guard case .picture(_, nil, _) = talk.model.conversation.turns[0].reply else {
      Issue.record("\(talk.model.conversation)")
      return
    }
    #expect(other.conversation.turns.isEmpty && talk.library.conversations.count == 1)
  }

  /// While one saves its picture another may run: the first neither shows nor stops it.
  @Test func aRunIsItsOwners() async throws {
    let talk = try await Talk()
    let studio = talk.table.studio
    let other = ConversationModel(studio: studio, library: talk.library)
    (other.composer.intent, other.composer.text) = (.draw, "a dog")
    var second: Task<Void, Never>?
    for _ in 0..<20 where second == nil {
      let first = Task { await talk.send(.draw, "a red circle") }
      await Task.yield()
      while talk.model.running != nil {
        if !studio.state.isBusy, second == nil { second = Task { await other.send() } }
        if studio.owner == other.running {
          talk.model.stop()
          #expect(talk.model.progress == nil && other.progress != nil)
        }
        await Task.yield()
      }
      await first.value
    }
    await second?.value
    guard case .picture(_, nil, _) = other.conversation.turns.first?.reply else {
      Issue.record("\(other.conversation)")
      return
    }
  }

  /// What views read tells them when it changes, whichever model it comes from.
  @Test func viewsAreToldOfChanges() async throws {
    let talk = try await Talk()
    let (model, studio) = (talk.model, talk.table.studio)
    func tells(_ read: () -> Void, _ change: () async -> Void) async -> Bool {
      let told = Box(false)
      withObservationTracking(read) { told.value = true }
      await change()
      return told.value
    }
    #expect(await tells({ _ = model.obstacle }) { model.composer.intent = .draw })
    (model.composer.intent, model.composer.text) = (.chat, "hello")
    #expect(await tells({ _ = model.obstacle }) { studio.sceneChanged(isActive: false) })
    #expect(await tells({ _ = studio.obstacle }) { studio.sceneChanged(isActive: true) })
    #expect(await tells({ _ = studio.state }) { await talk.send(.chat, "hello") })
    #expect(await tells({ _ = model.progress }) { await talk.send(.draw, "a red circle") })
    #expect(await tells({ _ = model.conversation.turns }) { await talk.send(.chat, "and now?") })
    #expect(
      await tells({ _ = model.conversation.title }) {
        #expect(throws: Never.self) { try talk.library.rename(model.conversation.id, to: "Mine") }
      })
    #expect(
      await tells({ _ = talk.library.search("mine") }) {
        #expect(throws: Never.self) { try talk.library.delete(model.conversation.id) }
      })
  }

  @Test func theSettingsLockTheSeed() async throws {
    let talk = try await Talk()
    talk.table.studio.settings.isSeedLocked = true
    let model = ConversationModel(studio: talk.table.studio, library: talk.library, chance: { 9 })
    (model.composer.intent, model.composer.text) = (.draw, "a cat")
    await model.send()
    #expect(model.composer.seedText == "9" && model.composer.isSeedLocked)
  }
}
