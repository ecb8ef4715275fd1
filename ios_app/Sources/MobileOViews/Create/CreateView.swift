import MobileO
import MobileOApp
import SwiftUI

/// The screen on which everything is made: one conversation, and the composer below it.
struct CreateView: View {
  let studio: Studio
  let library: Library
  @Environment(Desk.self) private var desk

  var body: some View {
    NavigationStack {
      Group {
        if let talk = desk.talk {
          ConversationView(talk: talk, studio: studio, library: library)
        } else {
          ProgressView()
        }
      }
      .navigationTitle("Create")
      .toolbar {
        ToolbarItem(placement: .primaryAction) {
          Button("New conversation", systemImage: "square.and.pencil") {
            desk.begin(studio, library)
          }
          .accessibilityIdentifier("new")
        }
      }
    }
    // Not a task of the view: what is made goes on when another screen is shown.
    .onChange(of: ObjectIdentifier(studio), initial: true) { _, _ in
      Task { await desk.settle(studio, library) }
    }
  }
}

/// The turns of a conversation, the latest in view.
struct ConversationView: View {
  let talk: ConversationModel
  let studio: Studio
  let library: Library
  @Environment(\.accessibilityReduceMotion) private var reduceMotion

  var body: some View {
    let turns = talk.conversation.turns
    ScrollViewReader { place in
      ScrollView {
        if turns.isEmpty { Welcome(talk: talk).padding() }
        LazyVStack(alignment: .leading, spacing: 24) {
          ForEach(turns) { turn in
            TurnView(turn: turn, talk: talk, studio: studio, library: library).id(turn.id)
          }
        }
        .padding()
      }
      .onChange(of: turns.last?.id) { _, last in
        guard let last else { return }
        withAnimation(reduceMotion ? nil : .default) { place.scrollTo(last, anchor: .bottom) }
      }
    }
    .safeAreaInset(edge: .bottom) {
      ComposerView(talk: talk, studio: studio, library: library)
    }
  }
}

/// What an empty conversation offers: words to begin with, which fill the composer and send nothing.
struct Welcome: View {
  let talk: ConversationModel

  var body: some View {
    VStack(alignment: .leading, spacing: 12) {
      Text("What shall it be?").font(.title2).accessibilityAddTraits(.isHeader)
      Text("Choose what you want, write, and send. Nothing leaves this device.")
        .foregroundStyle(.secondary)
      example("Three red circles on a white background", .draw)
      example("Hello, who are you?", .chat)
    }
    .frame(maxWidth: .infinity, alignment: .leading)
  }

  private func example(_ words: String.LocalizationValue, _ intent: Intent) -> some View {
    let text = String(localized: words)
    return Button {
      talk.composer.intent = intent
      talk.composer.text = text
    } label: {
      Label(text, systemImage: intent.systemImage)
    }
    .buttonStyle(.bordered)
    .accessibilityIdentifier("example." + intent.rawValue)
  }
}
