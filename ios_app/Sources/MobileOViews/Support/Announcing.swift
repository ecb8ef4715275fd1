import Accessibility
import SwiftUI

/// Says how far something is, in tens of per cent, to those who do not see it.
struct Announcing: ViewModifier {
  let done: Int
  let of: Int

  private var tens: Int { tenths(done, of: of) * 10 }

  func body(content: Content) -> some View {
    content.onChange(of: tens) { _, now in
      guard now > 0 else { return }
      AccessibilityNotification.Announcement(
        String(localized: "\(now, specifier: "%lld") per cent")
      ).post()
    }
  }
}

/// How many tenths of `of` are done: 0 to 10, and 10 only when all is.
func tenths(_ done: Int, of: Int) -> Int {
  guard of > 0 else { return 0 }
  return min(10, max(0, Int(Double(done) / Double(of) * 10)))
}

extension View {
  /// Announces each tenth of `of`.
  nonisolated func announcing(_ done: Int, of: Int) -> some View {
    modifier(Announcing(done: done, of: of))
  }
}

/// A bar with its value in words, for what has a known end.
struct Bar: View {
  let done: Int
  let of: Int
  let label: LocalizedStringKey

  var body: some View {
    ProgressView(value: of > 0 ? min(1, Double(done) / Double(of)) : nil)
      .accessibilityLabel(label)
      .accessibilityValue("\(tenths(done, of: of) * 10, specifier: "%lld") per cent")
      .announcing(done, of: of)
  }
}
