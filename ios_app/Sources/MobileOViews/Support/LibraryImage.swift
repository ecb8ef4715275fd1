import Foundation
import MobileO
import MobileOApp
import SwiftUI

/// A picture of the library, read away from the main actor, or the sentence that says why it cannot be.
struct LibraryImage: View {
  let name: String
  let library: Library
  let label: Text
  @State private var picture: Picture?
  @State private var problem: String?

  var body: some View {
    Group {
      if let picture {
        PictureImage(picture: picture, label: label)
      } else if let problem {
        ProblemLabel(sentence: problem)
      } else {
        ProgressView().frame(minHeight: 80)
      }
    }
    .task(id: name) { await read() }
  }

  private func read() async {
    do {
      let bytes = try library.bytes(of: name)
      picture = try await Task.detached { try PNG.decode(bytes) }.value
    } catch {
      problem = error.localizedDescription
    }
  }
}

/// A picture's file, with prompt, seed and bundle inside, for the share sheet.
struct PictureFile: Transferable {
  let name: String
  let bytes: @MainActor @Sendable () throws -> [UInt8]

  static var transferRepresentation: some TransferRepresentation {
    DataRepresentation(exportedContentType: .png) { file in Data(try await file.bytes()) }
      .suggestedFileName { file in String(file.name.prefix(12)) + ".png" }
  }
}

/// Shares a picture of the library, as its file is.
struct SharePicture: View {
  let name: String
  let library: Library

  var body: some View {
    ShareLink(
      item: PictureFile(name: name) { [library, name] in try library.bytes(of: name) },
      preview: SharePreview(Text("Picture"), image: Image(systemName: "photo"))
    ) { Label("Share", systemImage: "square.and.arrow.up") }
  }
}
