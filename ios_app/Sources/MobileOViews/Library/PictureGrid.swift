import MobileO
import MobileOApp
import SwiftUI

/// All pictures that were drawn, the newest first.
struct PictureGrid: View {
  let conversations: [Conversation]
  let studio: Studio
  let library: Library
  @State private var opened: Drawn?

  /// A picture and the turn that it came of.
  struct Drawn: Identifiable {
    let name: String
    let turn: Turn
    let conversation: Conversation
    var id: Turn.ID { turn.id }
  }

  private var drawn: [Drawn] {
    conversations.flatMap { conversation in
      conversation.turns.reversed().compactMap { turn in
        turn.reply?.picture.map { Drawn(name: $0, turn: turn, conversation: conversation) }
      }
    }
  }

  var body: some View {
    ScrollView {
      if drawn.isEmpty {
        ContentUnavailableView(
          "No pictures yet", systemImage: "photo",
          description: Text("What you draw and edit is saved here."))
      }
      LazyVGrid(columns: [GridItem(.adaptive(minimum: 140))], spacing: 12) {
        ForEach(drawn) { item in
          Button {
            opened = item
          } label: {
            LibraryImage(
              name: item.name, library: library,
              label: Text("Drawn picture: \(item.turn.request.text)"))
          }
          .buttonStyle(.plain)
        }
      }
      .padding()
    }
    .sheet(item: $opened) { item in PictureDetail(item: item, studio: studio, library: library) }
  }
}

/// One picture with all that it was made of, which its file holds too.
struct PictureDetail: View {
  let item: PictureGrid.Drawn
  let studio: Studio
  let library: Library
  @Environment(Desk.self) private var desk
  @Environment(\.dismiss) private var dismiss

  var body: some View {
    NavigationStack {
      List {
        LibraryImage(
          name: item.name, library: library,
          label: Text("Drawn picture: \(item.turn.request.text)"))
        LabeledContent("Words", value: item.turn.request.text)
        if let look = item.turn.request.look {
          LabeledContent("Steps", value: look.steps.formatted())
          LabeledContent("Guidance", value: number(look.guidance))
        }
        LabeledContent("Seed", value: String(item.turn.request.seed))
        LabeledContent("Bundle", value: String(item.turn.request.bundle.prefix(12)))
        Button("Go to its conversation", systemImage: "bubble.left") {
          desk.open(item.conversation, studio, library)
          dismiss()
        }
        .accessibilityHint("There it can be made again, edited and asked about")
        SharePicture(name: item.name, library: library)
      }
      .textSelection(.enabled)
      .navigationTitle("Picture")
      .toolbar {
        ToolbarItem(placement: .confirmationAction) { Button("Done") { dismiss() } }
      }
    }
  }
}
