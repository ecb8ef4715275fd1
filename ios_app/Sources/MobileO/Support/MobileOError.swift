import Foundation

/// What can go wrong here: one sentence that says what is wrong, where, and what to do next.
public struct MobileOError: Error, Sendable, Equatable {
  /// What kind of failure it is; the command line makes an exit code of it.
  public enum Kind: String, Sendable {
    /// The request cannot be carried out: a bad number, a missing file.
    case usage
    /// It is off by default, and nobody turned it on.
    case off
    /// There is less memory than a component takes, or less room on a disk than a download.
    case memory, space
    /// A download did not come to its end: the server, the connection, or what it sent.
    case download
    /// A bundle, or a file in it, is missing, damaged, or of another version.
    case bundle
    /// The tokenizer's files are missing, damaged, or ask for what this release does not do.
    case tokenizer
    /// A check ran and did not hold.
    case checkFailed
    /// A component was called in a way, or answered in a way, that its signature does not allow.
    case session
    /// Whatever runs the components on another machine is not there, hung up, or is too slow.
    case unreachable
    /// It is there, but does not know the token, or has no room for one more.
    case refused
  }

  /// What kind of failure it is.
  public let kind: Kind
  /// The sentence, as it was put together; ``description`` is fit to be shown.
  public let message: String

  /// An error of `kind` that says `message`.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// 1 when a check did not hold, otherwise 2.
  public var exitCode: Int32 { kind == .checkFailed ? 1 : 2 }
}

extension MobileOError: CustomStringConvertible, LocalizedError {
  /// One printable line of at most a thousand characters, whatever names out of a file it quotes.
  public var description: String { oneLine(message) }

  /// The same line, for those who show errors by their localized description.
  public var errorDescription: String? { description }
}

/// `text` in one line: blanks run together, control characters spelled out, the middle left out
/// where it is very long (what to do next stands at the end).
package func oneLine(_ text: String, longest: Int = 1000) -> String {
  let words = text.unicodeScalars.split { $0.properties.isWhitespace }
  let line = printable(words.map { String($0) }.joined(separator: " ")).unicodeScalars
  if line.count <= longest { return String(String.UnicodeScalarView(line)) }
  let end = longest / 3
  return "\(String(String.UnicodeScalarView(line.prefix(longest - end - 1))))…"
    + String(String.UnicodeScalarView(line.suffix(end)))
}

/// `text` with control characters, of a hostile file name say, spelled out.
package func printable(_ text: String) -> String {
  var shown = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator:
      let width = scalar.value < 0x100 ? 2 : scalar.value < 0x10000 ? 4 : 8
      let digits = String(scalar.value, radix: 16)
      let zeros = String(repeating: "0", count: max(0, width - digits.count))
      let mark = width == 2 ? "x" : width == 4 ? "u" : "U"
      shown.append(contentsOf: "\\\(mark)\(zeros)\(digits)".unicodeScalars)
    default: shown.append(scalar)
    }
  }
  return String(shown)
}
