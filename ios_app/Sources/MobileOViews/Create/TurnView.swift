import Foundation
import MobileO
import MobileOApp
import SwiftUI

/// What the user asked for, and what came of it.
struct TurnView: View {
  let turn: Turn
  let talk: ConversationModel
  let studio: Studio
  let library: Library

  var body: some View {
    VStack(alignment: .leading, spacing: 12) {
      asked
      if talk.running == turn.id {
        ProgressCard(
          request: turn.request, progress: talk.progress ?? RunProgress(),
          isStopping: talk.isStopping(studio))
      } else {
        ReplyView(turn: turn, library: library)
        actions
      }
    }
    .frame(maxWidth: .infinity, alignment: .leading)
    .accessibilityElement(children: .contain)
  }

  private var asked: some View {
    VStack(alignment: .leading, spacing: 6) {
      Label(turn.request.intent.title, systemImage: turn.request.intent.systemImage)
        .font(.footnote)
        .foregroundStyle(.secondary)
      if turn.request.intent == .ask, let picture = turn.request.picture {
        LibraryImage(name: picture, library: library, label: Text("The picture you asked about"))
          .frame(maxWidth: 240)
      }
      Text(turn.request.text).textSelection(.enabled)
    }
    .padding(12)
    .background(.quaternary, in: .rect(cornerRadius: 16))
  }

  private var actions: some View {
    ViewThatFits(in: .horizontal) {
      HStack(spacing: 16) { buttons }
      VStack(alignment: .leading, spacing: 8) { buttons }
    }
    .font(.footnote)
    .buttonStyle(.borderless)
  }

  @ViewBuilder private var buttons: some View {
    if turn.request.intent.drawsPicture {
      Button("Make again", systemImage: "arrow.clockwise") {
        Task { await talk.makeAgain(turn.id) }
      }
      .accessibilityHint("Draws the same picture again, byte for byte")
      .accessibilityIdentifier("again")
    }
    Button("Change and resend", systemImage: "square.and.pencil") {
      talk.composer.take(turn.request)
    }
    if case .answer(let text, _, _) = turn.reply { CopyButton(text: text, label: "Copy") }
    if let picture = turn.reply?.picture {
      Button("Ask about it", systemImage: "questionmark.bubble") { use(picture, .ask) }
      Button("Edit it", systemImage: "wand.and.stars") { use(picture, .edit) }
      SharePicture(name: picture, library: library)
    }
  }

  private func use(_ picture: String, _ intent: Intent) {
    talk.composer.picture = picture
    talk.composer.intent = intent
    talk.composer.text = ""
  }
}

extension ConversationModel {
  /// Whether what runs here is being stopped.
  func isStopping(_ studio: Studio) -> Bool {
    if running != nil, studio.owner == running, case .stopping = studio.state {
      true
    } else {
      false
    }
  }
}

/// What came of a request.
struct ReplyView: View {
  let turn: Turn
  let library: Library

  var body: some View {
    VStack(alignment: .leading, spacing: 8) {
      switch turn.reply {
      case nil: Note("The app was closed before this was made.")
      case .answer(let text, let end, let cut):
        Text(text).textSelection(.enabled).accessibilityIdentifier("answer")
        if end == .length { Note("The longest answer was reached: Settings has its length.") }
        if end == .stopped { Note("Stopped.") }
        cutNote(cut)
      case .picture(let name, let stoppedAfter, let cut):
        if let name { picture(name) }
        if let stoppedAfter {
          Note("Stopped after step \(stoppedAfter.formatted()); this is the preview.")
        }
        if let look = turn.request.look {
          Note(
            """
            \(look.steps.formatted()) steps, guidance \(number(look.guidance)), seed \
            \(String(turn.request.seed))
            """
          )
        }
        cutNote(cut)
      case .failed(let sentence): ProblemLabel(sentence: sentence)
      }
    }
  }

  @ViewBuilder private func picture(_ name: String) -> some View {
    if turn.request.intent == .edit, let before = turn.request.picture {
      BeforeAfter(
        before: before, after: name, instruction: turn.request.text, library: library)
    } else {
      LibraryImage(
        name: name, library: library, label: Text("Drawn picture: \(turn.request.text)")
      )
      .frame(maxWidth: 512)
      .accessibilityIdentifier("picture")
    }
  }

  @ViewBuilder private func cutNote(_ cut: Int) -> some View {
    if cut > 0 {
      Note("The text was too long: \(cut, specifier: "%lld") tokens of it were left out.")
    }
  }
}

/// Something small to know.
struct Note: View {
  let text: LocalizedStringKey

  init(_ text: LocalizedStringKey) { self.text = text }

  var body: some View {
    Text(text).font(.footnote).foregroundStyle(.secondary).textSelection(.enabled)
  }
}
