import MobileO
import MobileOApp
import SwiftUI

/// A bundle: where it came from, what it holds, whether it is whole; use, repair, delete.
struct BundleView: View {
  let id: InstalledBundle.ID
  @Environment(AppModel.self) private var app
  @Environment(\.dismiss) private var dismiss
  @State private var isDeleting = false

  var body: some View {
    Form {
      if let bundle = app.shelf[id] {
        facts(bundle)
        memory(bundle)
        parts(bundle)
        seal(bundle)
        actions(bundle)
      } else {
        Text("This bundle was deleted.")
      }
    }
    .formStyle(.grouped)
    .textSelection(.enabled)
    .navigationTitle("Bundle")
  }

  private func facts(_ bundle: InstalledBundle) -> some View {
    Section {
      LabeledContent("Name", value: bundle.name)
      LabeledContent("How it came here") { Text(bundle.source.title) }
      if let origin = bundle.origin { LabeledContent("From", value: origin) }
      LabeledContent("Size", value: bytes(bundle.size))
      if bundle.compiledSize > 0 {
        LabeledContent("Compiled for this device", value: bytes(bundle.compiledSize))
      }
      LabeledContent("Identity", value: bundle.id)
    }
  }

  /// What it takes of memory, and what to do where that is too much.
  @ViewBuilder private func memory(_ bundle: InstalledBundle) -> some View {
    if let needs = bundle.memory {
      Section("Memory") {
        LabeledContent("To draw, at least", value: bytes(needs.drawing))
        LabeledContent("All parts at once, at least", value: bytes(needs.whole))
        if let room = app.device.room {
          LabeledContent("The app may take", value: bytes(room))
          Note(needs.fit(room).title).accessibilityIdentifier("bundle.memory")
        }
      }
    }
  }

  private func parts(_ bundle: InstalledBundle) -> some View {
    Section("Parts") {
      ForEach(bundle.parts) { part in
        LabeledContent {
          VStack(alignment: .trailing) {
            Text(verbatim: bytes(part.size))
            Text(verbatim: part.precision).font(.footnote)
          }
        } label: {
          componentTitle(part.id)
        }
      }
    }
  }

  private func seal(_ bundle: InstalledBundle) -> some View {
    Section("Seal") {
      switch bundle.health {
      case .unknown: Note("Not checked since the app was opened.")
      case .sealed: Label("Every file is as it was sealed.", systemImage: "checkmark.seal")
      case .broken(let problems):
        ForEach(problems, id: \.path) { problem in
          ProblemLabel(sentence: "\(problem.path): \(problem.detail)")
        }
      }
      Button("Check every file", systemImage: "checkmark.seal") {
        Task { await app.shelf.verify(id) }
      }
      .disabled(app.shelf.activity != nil)
      .accessibilityIdentifier("bundle.verify")
      if let activity = app.shelf.activity { ActivityRows(activity: activity, shelf: app.shelf) }
      if let sentence = app.shelf.notice { ProblemLabel(sentence: sentence) }
    }
  }

  private func actions(_ bundle: InstalledBundle) -> some View {
    Section {
      if app.bundle?.id == id {
        Label("This bundle is open.", systemImage: "checkmark.circle")
      } else {
        Button("Open this bundle", systemImage: "play.circle") { Task { await app.use(id) } }
          .accessibilityIdentifier("bundle.use")
      }
      if bundle.source != .embedded {
        Button("Repair", systemImage: "wrench.and.screwdriver") { Task { await app.repair(id) } }
        Button("Delete", systemImage: "trash", role: .destructive) { isDeleting = true }
      }
    }
    .disabled(app.shelf.activity != nil)
    .confirmationDialog("Delete this bundle?", isPresented: $isDeleting) {
      Button("Delete", role: .destructive) {
        Task {
          await app.delete(id)
          dismiss()
        }
      }
      Button("Cancel", role: .cancel) {}
    } message: {
      Text("Conversations and pictures stay. To make a picture again the bundle is needed again.")
    }
  }
}

extension InstalledBundle.Source {
  var title: LocalizedStringKey {
    switch self {
    case .embedded: "Part of the app"
    case .downloaded: "Downloaded"
    case .imported: "Imported"
    }
  }
}

extension MemoryNeeds.Fit {
  var title: LocalizedStringKey {
    switch self {
    case .whole: "Every part stays in memory."
    case .inTurns: "Parts make room for one another: each task loads what it needs."
    case .offersMLX:
      "It cannot draw here; the same model exported with --target mlx takes less memory."
    case .tooLarge:
      "It cannot draw here; the same model exported with --compression small takes less memory."
    }
  }
}
