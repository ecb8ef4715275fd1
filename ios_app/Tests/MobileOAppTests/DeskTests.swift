import Foundation
import MobileO
import Testing

import MobileOApp

/// What a window shows, and what comes to it from shortcuts and other apps.
@MainActor @Suite struct DeskTests {
  private func desk() -> Desk {
    Desk { file in
      if file.isEmpty { throw MobileOError(.usage, "it is no picture") }
      return ToyBundle.picture
    }
  }

  private func library(_ bench: Workbench) throws -> Library {
    try Library(folder: URL(fileURLWithPath: "/library"), disk: bench.memory.disk)
  }

  @Test func anErrandWaitsForABundleAndIsDoneOnce() async throws {
    let bench = try await Workbench()
    let (desk, library) = (desk(), try library(bench))
    await desk.take(Desk.Errand(.draw, text: "a red circle"))
    #expect(desk.talk == nil)
    await desk.settle(bench.studio, library)
    let turns = try #require(desk.talk).conversation.turns
    #expect(turns.map(\.request.text) == ["a red circle"])
    #expect(turns.first?.reply?.picture != nil)
    await desk.settle(bench.studio, library)
    #expect(desk.talk?.conversation.turns.count == 1)
  }

  @Test func aSharedPictureIsAttachedAndNothingIsSent() async throws {
    let bench = try await Workbench()
    let (desk, library) = (desk(), try library(bench))
    await desk.settle(bench.studio, library)
    desk.screen = .settings
    await desk.take(Desk.Errand(.ask, picture: Data([1])))
    let talk = try #require(desk.talk)
    #expect(desk.screen == .create)
    #expect(talk.composer.intent == .ask && talk.composer.picture != nil)
    #expect(talk.conversation.turns.isEmpty && bench.engine.calls.isEmpty)
  }

  @Test func aPictureFromTheUserIsForAskingUnlessItIsForEditing() async throws {
    let bench = try await Workbench()
    let (desk, library) = (desk(), try library(bench))
    await desk.settle(bench.studio, library)
    let talk = try #require(desk.talk)
    talk.composer.intent = .draw
    await desk.attach(Data([1]))
    #expect(talk.composer.intent == .ask)
    talk.composer.intent = .edit
    await desk.attach(Data([1]))
    #expect(talk.composer.intent == .edit)
  }

  @Test func whatIsNoPictureIsSaidAndNothingIsAttached() async throws {
    let bench = try await Workbench()
    let (desk, library) = (desk(), try library(bench))
    await desk.settle(bench.studio, library)
    await desk.take(Desk.Errand(.edit, text: "make it blue", picture: Data()))
    let talk = try #require(desk.talk)
    #expect(desk.notice == "it is no picture")
    #expect(talk.composer.picture == nil && talk.conversation.turns.isEmpty)
    #expect(talk.composer.text == "make it blue")
  }

  @Test func wordsAreLaidOutWithTheirNumbers() async throws {
    let bench = try await Workbench()
    let (desk, library) = (desk(), try library(bench))
    await desk.settle(bench.studio, library)
    let look = Request.Look(steps: 3, guidance: 2)
    await desk.take(Desk.Errand(.draw, text: "a circle", look: look, seed: 9, sends: false))
    let composer = try #require(desk.talk).composer
    #expect(composer.text == "a circle" && composer.seedText == "9")
    #expect(composer.steps == 3 && composer.guidance == 2)
    #expect(bench.engine.calls.isEmpty)
  }

  @Test func whileSomethingIsMadeWordsStayInTheComposer() async throws {
    let bench = try await Workbench()
    let (desk, library) = (desk(), try library(bench))
    await desk.settle(bench.studio, library)
    let talk = try #require(desk.talk)
    let waiting = Box(true)
    bench.engine.onCall { _, _ in
      while waiting.value { try await Task.sleep(for: .milliseconds(1)) }
    }
    talk.composer.intent = .draw
    talk.composer.text = "the first"
    let first = Task { await talk.send() }
    await eventually { talk.running != nil }
    await desk.take(Desk.Errand(.draw, text: "the second"))
    #expect(talk.composer.text == "the second" && talk.conversation.turns.count == 1)
    waiting.value = false
    await first.value
  }

  @Test func anotherBundleBeginsAnewAndTheSameKeepsWhatLies() async throws {
    let bench = try await Workbench()
    let other = try await Workbench()
    let (desk, library) = (desk(), try library(bench))
    await desk.settle(bench.studio, library)
    let first = desk.talk
    await desk.settle(bench.studio, library)
    #expect(desk.talk === first)
    await desk.settle(other.studio, library)
    #expect(desk.talk !== first)
  }

  @Test func aConversationOfTheLibraryGoesOn() async throws {
    let bench = try await Workbench()
    let (desk, library) = (desk(), try library(bench))
    await desk.take(Desk.Errand(.chat, text: "hello"))
    await desk.settle(bench.studio, library)
    let saved = try #require(library.conversations.first)
    desk.begin(bench.studio, library)
    #expect(desk.talk?.conversation.id != saved.id)
    desk.screen = .library
    desk.open(saved, bench.studio, library)
    #expect(desk.talk?.conversation.id == saved.id && desk.screen == .create)
  }
}
