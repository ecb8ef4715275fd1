import Foundation
import MobileOApp
import SwiftUI

/// Conversations and pictures that were made, to be found, gone on with, shared and deleted.
struct LibraryView: View {
  let studio: Studio
  let library: Library
  @State private var words = ""
  @State private var shows = Part.conversations

  /// What is listed.
  private enum Part: Hashable {
    case conversations, pictures
  }

  var body: some View {
    NavigationStack {
      Group {
        switch shows {
        case .conversations: conversations
        case .pictures:
          PictureGrid(conversations: library.search(words), studio: studio, library: library)
        }
      }
      .navigationTitle("Library")
      .searchable(text: $words, prompt: "Words in conversations")
      .toolbar {
        ToolbarItem(placement: .primaryAction) {
          Picker("What is listed", selection: $shows) {
            Text("Conversations").tag(Part.conversations)
            Text("Pictures").tag(Part.pictures)
          }
          .pickerStyle(.segmented)
          .accessibilityIdentifier("library.part")
        }
      }
    }
  }

  @ViewBuilder private var conversations: some View {
    let found = library.search(words)
    List {
      ForEach(library.problems, id: \.path) { ProblemLabel(sentence: $0.sentence) }
      if found.isEmpty {
        ContentUnavailableView(
          words.isEmpty ? "Nothing here yet" : "Nothing found",
          systemImage: "rectangle.stack",
          description: words.isEmpty
            ? Text("What you make is saved here.") : Text("Try fewer or other words."))
      }
      ForEach(found) { conversation in
        ConversationRow(conversation: conversation, studio: studio, library: library)
      }
      if words.isEmpty { StrayRows(library: library) }
    }
  }
}

/// Pictures that are in no conversation, of one that was being saved when the app was ended.
struct StrayRows: View {
  let library: Library
  @State private var problem: String?

  var body: some View {
    if !library.strays.isEmpty {
      Section("Pictures of no conversation") {
        ForEach(library.strays, id: \.self) { name in
          HStack {
            LibraryImage(
              name: name, library: library, label: Text("A picture of no conversation")
            )
            .frame(maxWidth: 120)
            SharePicture(name: name, library: library)
            Button("Delete", systemImage: "trash", role: .destructive) { delete(name) }
          }
          .labelStyle(.iconOnly)
          .buttonStyle(.borderless)
        }
      }
    }
    if let problem { ProblemLabel(sentence: problem) }
  }

  private func delete(_ name: String) {
    do { try library.deletePicture(name) } catch { problem = error.localizedDescription }
  }
}

/// One conversation in the list.
struct ConversationRow: View {
  let conversation: Conversation
  let studio: Studio
  let library: Library
  @Environment(Desk.self) private var desk
  @State private var isRenaming = false
  @State private var isDeleting = false
  @State private var isExporting = false
  @State private var name = ""

  var body: some View {
    Button {
      desk.open(conversation, studio, library)
    } label: {
      VStack(alignment: .leading, spacing: 4) {
        Text(conversation.title).font(.headline).multilineTextAlignment(.leading)
        Text(verbatim: details).font(.footnote).foregroundStyle(.secondary)
      }
      .frame(maxWidth: .infinity, alignment: .leading)
    }
    .buttonStyle(.plain)
    .accessibilityHint("Goes on with this conversation")
    .accessibilityIdentifier("conversation")
    .contextMenu { actions }
    .swipeActions {
      Button("Delete", systemImage: "trash", role: .destructive) { isDeleting = true }
      Button("Export", systemImage: "square.and.arrow.up") { isExporting = true }
    }
    .alert("Name of the conversation", isPresented: $isRenaming) {
      TextField("Name", text: $name)
      Button("Save") { attempt { try library.rename(conversation.id, to: name) } }
      Button("Cancel", role: .cancel) {}
    }
    .confirmationDialog("Delete this conversation?", isPresented: $isDeleting) {
      Button("Delete", role: .destructive) { attempt { try library.delete(conversation.id) } }
      Button("Cancel", role: .cancel) {}
    } message: {
      Text("Its pictures go too, unless another conversation shows them.")
    }
    .sheet(isPresented: $isExporting) {
      ExportView(conversation: conversation, library: library)
    }
  }

  @ViewBuilder private var actions: some View {
    Button("Rename", systemImage: "pencil") {
      name = conversation.title
      isRenaming = true
    }
    Button("Export", systemImage: "square.and.arrow.up") { isExporting = true }
    Button("Delete", systemImage: "trash", role: .destructive) { isDeleting = true }
  }

  private var details: String {
    conversation.created.formatted(date: .abbreviated, time: .shortened)
  }

  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch { desk.notice = error.localizedDescription }
  }
}
