/// Text that is equal only to itself, scalar for scalar.
///
/// Swift takes `"é"` and `"e\u{301}"` for equal. File systems, tokenizers and JSON do not, and
/// neither does Python, so keys are compared by their UTF-8 here. The order is that of code points.
package struct Exact: Hashable, Comparable, Sendable {
  package let text: String

  package init(_ text: String) { self.text = text }

  package static func == (left: Exact, right: Exact) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  package static func < (left: Exact, right: Exact) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
  }
}
