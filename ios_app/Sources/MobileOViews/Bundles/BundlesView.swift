import MobileO
import MobileOApp
import SwiftUI

/// The bundles on this device and what they take; ways to more.
struct BundlesView: View {
  @Environment(AppModel.self) private var app

  var body: some View {
    Form {
      Section("On this device") {
        ForEach(app.shelf.bundles) { bundle in
          NavigationLink {
            BundleView(id: bundle.id)
          } label: {
            BundleRow(bundle: bundle, isOpen: bundle.id == app.bundle?.id)
          }
          .accessibilityIdentifier("bundle")
        }
        ForEach(app.shelf.problems) { ProblemLabel(sentence: $0.sentence) }
        if let activity = app.shelf.activity {
          ActivityRows(activity: activity, shelf: app.shelf)
        }
        if let sentence = app.shelf.notice { ProblemLabel(sentence: sentence) }
      }
      Section("Storage") {
        LabeledContent("Bundles", value: bytes(app.shelf.used))
        LabeledContent("Free on this device", value: bytes(app.shelf.free))
        if app.shelf.unfinished > 0 {
          LabeledContent("Unfinished downloads", value: bytes(app.shelf.unfinished))
          Button("Remove unfinished downloads", systemImage: "trash", role: .destructive) {
            Task { await app.shelf.deleteUnfinished() }
          }
          .disabled(app.shelf.activity != nil || app.download.state.isBusy)
        }
      }
      DownloadSection(download: app.download)
      ImportSection()
    }
    .formStyle(.grouped)
    .navigationTitle("Bundles")
    .task { await app.shelf.refresh() }
  }
}

/// One bundle in the list.
struct BundleRow: View {
  let bundle: InstalledBundle
  let isOpen: Bool

  var body: some View {
    VStack(alignment: .leading, spacing: 4) {
      Text(bundle.name).font(.headline)
      Text(verbatim: bytes(bundle.size)).font(.footnote).foregroundStyle(.secondary)
      if isOpen { Label("Open", systemImage: "checkmark.circle").font(.footnote) }
    }
    .accessibilityElement(children: .combine)
  }
}
