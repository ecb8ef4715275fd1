import SwiftUI

#if canImport(UIKit)
  import UIKit
#elseif canImport(AppKit)
  import AppKit
#endif

/// Copies a text: a seed, an answer.
struct CopyButton: View {
  let text: String
  let label: LocalizedStringKey

  var body: some View {
    Button(label, systemImage: "doc.on.doc") { copy() }
  }

  private func copy() {
    #if canImport(UIKit)
      UIPasteboard.general.string = text
    #elseif canImport(AppKit)
      NSPasteboard.general.clearContents()
      NSPasteboard.general.setString(text, forType: .string)
    #endif
  }
}
