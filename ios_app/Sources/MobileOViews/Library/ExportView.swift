import Foundation
import MobileOApp
import SwiftUI

/// A conversation as files to share.
struct ExportView: View {
  let conversation: Conversation
  let library: Library
  @Environment(\.dismiss) private var dismiss
  @State private var files: [URL] = []
  @State private var missing: [String] = []
  @State private var problem: String?

  var body: some View {
    NavigationStack {
      List {
        if let problem { ProblemLabel(sentence: problem) }
        ForEach(files, id: \.self) { Text(verbatim: $0.lastPathComponent) }
        if !missing.isEmpty {
          Note("\(missing.count, specifier: "%lld") pictures could not be read and are not here.")
        }
        if !files.isEmpty {
          ShareLink(items: files) { Label("Share", systemImage: "square.and.arrow.up") }
            .accessibilityIdentifier("export.share")
        }
      }
      .navigationTitle("Export")
      .toolbar {
        ToolbarItem(placement: .confirmationAction) { Button("Done") { dismiss() } }
      }
    }
    .task { await write() }
  }

  private func write() async {
    do {
      let export = try library.export(conversation)
      let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("export-" + conversation.id.uuidString)
      try await Task.detached { try export.write(to: folder) }.value
      files = export.files.keys.sorted().map { folder.appendingPathComponent($0) }
      missing = export.missing
    } catch {
      problem = error.localizedDescription
    }
  }
}
