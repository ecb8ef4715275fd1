import Foundation
import MobileO
import MobileOApp
import PhotosUI
import SwiftUI

/// One place for words and pictures, whatever is wanted of them.
struct ComposerView: View {
  @Bindable var talk: ConversationModel
  let studio: Studio
  let library: Library
  @Environment(Desk.self) private var desk
  @State private var photo: PhotosPickerItem?
  @State private var isPicking = false
  @State private var isImporting = false
  @FocusState private var isWriting: Bool

  var body: some View {
    VStack(alignment: .leading, spacing: 10) {
      IntentChips(intent: $talk.composer.intent)
      if let picture = talk.composer.picture {
        AttachedPicture(name: picture, talk: talk)
      }
      if talk.composer.intent.drawsPicture {
        LookControls(
          composer: $talk.composer, recipe: studio.model.recipe, lastSeed: lastSeed)
      }
      HStack(alignment: .bottom, spacing: 8) {
        attach
        TextField(talk.composer.intent.placeholder, text: $talk.composer.text, axis: .vertical)
          .lineLimit(1...8)
          .textFieldStyle(.roundedBorder)
          .focused($isWriting)
          .accessibilityIdentifier("composer.text")
        sendOrStop
      }
      if let sentence = talk.notice ?? desk.notice {
        ProblemLabel(sentence: sentence)
      } else if let obstacle = hint {
        Text(obstacle).font(.footnote).foregroundStyle(.secondary)
      }
    }
    .padding()
    .background(.bar)
    .dropDestination(for: Data.self) { items, _ in
      guard let file = items.first else { return false }
      Task { await desk.attach(file) }
      return true
    }
    .photosPicker(isPresented: $isPicking, selection: $photo, matching: .images)
    .onChange(of: photo) { _, item in
      guard let item else { return }
      photo = nil
      Task { await take(item) }
    }
    .fileImporter(isPresented: $isImporting, allowedContentTypes: [.image]) { result in
      Task { await take(result) }
    }
  }

  private var lastSeed: UInt64? {
    talk.conversation.turns.last { $0.request.intent.drawsPicture }?.request.seed
  }

  /// Why it cannot be sent; not of a field in which nothing was written yet.
  private var hint: String? {
    talk.composer.text.isEmpty && talk.composer.picture == nil ? nil : talk.obstacle
  }

  private var attach: some View {
    Menu("Attach a picture", systemImage: "photo.badge.plus") {
      Button("From the photo library", systemImage: "photo.on.rectangle") { isPicking = true }
      Button("From a file", systemImage: "folder") { isImporting = true }
    }
    .labelStyle(.iconOnly)
    .accessibilityIdentifier("attach")
  }

  @ViewBuilder private var sendOrStop: some View {
    if talk.running != nil {
      Button("Stop", systemImage: "stop.circle.fill") { talk.stop() }
        .labelStyle(.iconOnly)
        .font(.title)
        .keyboardShortcut(".")
        .accessibilityIdentifier("stop")
    } else {
      Button("Send", systemImage: "arrow.up.circle.fill") { send() }
        .labelStyle(.iconOnly)
        .font(.title)
        .keyboardShortcut(.return)
        .disabled(talk.obstacle != nil)
        .accessibilityIdentifier("send")
    }
  }

  private func send() {
    isWriting = false
    desk.notice = nil
    Task { await talk.send() }
  }

  private func take(_ item: PhotosPickerItem) async {
    desk.notice = nil
    do {
      guard let file = try await item.loadTransferable(type: Data.self) else { return }
      await desk.attach(file)
    } catch {
      desk.notice = error.localizedDescription
    }
  }

  private func take(_ result: Result<URL, any Error>) async {
    desk.notice = nil
    do {
      let url = try result.get()
      let mayRead = url.startAccessingSecurityScopedResource()
      defer { if mayRead { url.stopAccessingSecurityScopedResource() } }
      let file = try await Task.detached { try Data(contentsOf: url) }.value
      await desk.attach(file)
    } catch {
      desk.notice = error.localizedDescription
    }
  }
}

/// The picture that a question or an edit is about, and what the model sees of it.
struct AttachedPicture: View {
  let name: String
  @Bindable var talk: ConversationModel
  @State private var seen: Picture?

  var body: some View {
    HStack(alignment: .top, spacing: 12) {
      if let seen {
        PictureImage(picture: seen, label: Text("What the model sees of your picture"))
          .frame(maxWidth: 120, maxHeight: 120)
      }
      VStack(alignment: .leading, spacing: 6) {
        Text("The model sees it like this: padded to a square, and made smaller.")
          .font(.footnote)
          .foregroundStyle(.secondary)
        Button("Remove the picture", systemImage: "xmark.circle") { talk.composer.picture = nil }
          .font(.footnote)
          .accessibilityIdentifier("attachment.remove")
      }
    }
    .task(id: name) { seen = try? talk.asSeen(name) }
  }
}
