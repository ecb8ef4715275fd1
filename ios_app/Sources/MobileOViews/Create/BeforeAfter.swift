import MobileOApp
import SwiftUI

/// A picture before and after an edit, at the same place, so that the eye sees what changed.
struct BeforeAfter: View {
  let before: String
  let after: String
  let instruction: String
  let library: Library
  @State private var showsBefore = false

  var body: some View {
    VStack(alignment: .leading, spacing: 8) {
      LibraryImage(
        name: showsBefore ? before : after, library: library,
        label: showsBefore
          ? Text("The picture before the edit") : Text("The picture, edited: \(instruction)")
      )
      .frame(maxWidth: 512)
      Picker("Before or after the edit", selection: $showsBefore) {
        Text("Before").tag(true)
        Text("After").tag(false)
      }
      .pickerStyle(.segmented)
      .frame(maxWidth: 512)
      .accessibilityIdentifier("before.after")
    }
  }
}
