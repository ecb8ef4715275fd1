/// Swift sources, looked at without comments and texts.
enum SwiftCode {
  /// What ends a program where a value is not as hoped, by name; nil of code that has nothing of it.
  static func trap(_ code: String) -> String? {
    let named: [(String, Regex<Substring>)] = [
      ("fatalError", /\bfatalError\b/), ("preconditionFailure", /\bpreconditionFailure\b/),
      ("precondition", /\bprecondition\s*\(/), ("abort", /\babort\s*\(/),
      ("unsafelyUnwrapped", /\bunsafelyUnwrapped\b/), ("unsafeBitCast", /\bunsafeBitCast\b/),
      ("try!", /\btry!/), ("as!", /\bas!/),
    ]
    // In `Swift.fatalError` Unicode sees one word.
    if let found = named.first(where: { code.contains($0.1.wordBoundaryKind(.simple)) }) {
      return found.0
    }
    let asserts = /\bassert(ionFailure)?\s*\(/
    if code.contains(asserts.wordBoundaryKind(.simple)) { return "assert" }
    // Behind a value or a type, and not the beginning of `!=`.
    return code.contains(/[\w\)\]\}>?`]!(?!=)/) ? "!" : nil
  }

  /// `source` without comments and without what stands in quotes, but with what is interpolated there.
  static func bare(_ source: String) -> String {
    var reader = Reader(Array(source))
    reader.code(inside: false)
    return String(reader.kept)
  }

  private struct Reader {
    private let text: [Character]
    private var index = 0
    private(set) var kept: [Character] = []

    init(_ text: [Character]) { self.text = text }

    /// Code to the end, or to the parenthesis that closes an interpolation.
    mutating func code(inside: Bool) {
      var depth = 0
      while index < text.count {
        if starts("//") {
          while index < text.count, text[index] != "\n" { index += 1 }
        } else if starts("/*") {
          comment()
        } else if let hashes = quoteAhead() {
          quoted(hashes)
        } else {
          if inside, text[index] == "(" { depth += 1 }
          if inside, text[index] == ")" {
            depth -= 1
            if depth == 0 { return keep() }
          }
          keep()
        }
      }
    }

    private mutating func comment() {
      var depth = 0
      repeat {
        if starts("/*") || starts("*/") {
          depth += starts("/*") ? 1 : -1
          index += 2
        } else {
          if text[index] == "\n" { kept.append("\n") }
          index += 1
        }
      } while depth > 0 && index < text.count
    }

    /// How many number signs stand before the quote that begins here.
    private func quoteAhead() -> Int? {
      let hashes = text[index...].prefix { $0 == "#" }.count
      return index + hashes < text.count && text[index + hashes] == "\"" ? hashes : nil
    }

    private mutating func quoted(_ hashes: Int) {
      let sign = String(repeating: "#", count: hashes)
      index += hashes
      let mark = starts("\"\"\"") ? "\"\"\"" : "\""
      index += mark.count
      kept += "\"\""
      while index < text.count, !starts(mark + sign) {
        if starts("\\" + sign + "(") {
          index += 1 + hashes
          code(inside: true)
        } else if starts("\\" + sign) {
          index += 2 + hashes
        } else {
          if text[index] == "\n" { kept.append("\n") }
          index += 1
        }
      }
      index += mark.count + hashes
    }

    private mutating func keep() {
      kept.append(text[index])
      index += 1
    }

    private func starts(_ word: String) -> Bool { text[index...].starts(with: word) }
  }
}
