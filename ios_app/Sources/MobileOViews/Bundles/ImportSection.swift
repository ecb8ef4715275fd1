import Foundation
import MobileOApp
import SwiftUI

/// A bundle from Files, or from a folder of a Mac.
struct ImportSection: View {
  @Environment(AppModel.self) private var app
  @State private var isChoosing = false
  @State private var problem: String?

  var body: some View {
    Section {
      Button("Choose a folder", systemImage: "folder") { isChoosing = true }
        .disabled(app.shelf.activity != nil)
        .accessibilityIdentifier("import")
      if let activity = app.shelf.activity { ActivityRows(activity: activity, shelf: app.shelf) }
      if let sentence = problem ?? app.shelf.notice { ProblemLabel(sentence: sentence) }
    } header: {
      Text("Import")
    } footer: {
      Text("The folder that holds manifest.json. It is copied, and every file is checked.")
    }
    .fileImporter(isPresented: $isChoosing, allowedContentTypes: [.folder]) { result in
      Task { await take(result) }
    }
  }

  private func take(_ result: Result<URL, any Error>) async {
    problem = nil
    do {
      let url = try result.get()
      let mayRead = url.startAccessingSecurityScopedResource()
      defer { if mayRead { url.stopAccessingSecurityScopedResource() } }
      if let id = await app.shelf.importBundle(from: url) { await app.use(id) }
    } catch {
      problem = error.localizedDescription
    }
  }
}

/// What is being done to a bundle, and a way to stop it.
struct ActivityRows: View {
  let activity: BundleShelf.Activity
  let shelf: BundleShelf

  var body: some View {
    VStack(alignment: .leading, spacing: 6) {
      Text(activity.kind.title(activity.name))
      if activity.total > 0 {
        Bar(done: activity.done, of: activity.total, label: "Progress")
        Text("\(bytes(activity.done)) of \(bytes(activity.total))").monospacedDigit()
      } else {
        ProgressView().accessibilityLabel("Working")
      }
    }
    if activity.kind != .deleting {
      Button("Stop", systemImage: "stop.circle") { shelf.cancel() }
    }
  }
}

extension BundleShelf.Activity.Kind {
  func title(_ name: String) -> LocalizedStringKey {
    switch self {
    case .importing: "Importing \(name)"
    case .verifying: "Checking \(name)"
    case .repairing: "Repairing \(name)"
    case .deleting: "Deleting \(name)"
    }
  }
}
