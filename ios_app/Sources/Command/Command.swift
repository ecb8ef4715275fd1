import Foundation
import MobileO

/// One command of the program.
protocol Command: Sendable {
  static var name: String { get }
  /// One line for the list of commands.
  static var summary: String { get }
  /// Such as `BUNDLE`.
  static var usage: String { get }
  /// What the help says beyond the summary.
  static var details: String { get }
  static var options: [Arguments.Option] { get }
  static func run(_ arguments: Arguments) async throws
}

extension Command {
  static var help: String {
    let shown = (options + [Arguments.help]).map { option in
      let names = option.names.reversed().joined(separator: ", ")
      return (names + (option.value.map { " \($0)" } ?? ""), option.help)
    }
    return """
      Usage: mobileo \(name) [OPTIONS] \(usage)

      \(summary)\(details.isEmpty ? "" : "\n\n\(details)")

      Options:
      \(Output.columns(shown))
      """
  }

  /// The one positional word, which `what` names.
  static func single(_ arguments: Arguments, _ what: String) throws -> String {
    guard let first = arguments.positional.first else {
      throw MobileOError(.usage, "missing argument \(what); see mobileo \(name) --help")
    }
    if arguments.positional.count > 1 {
      throw MobileOError(
        .usage, "unexpected argument '\(arguments.positional[1])'; see mobileo \(name) --help")
    }
    return first
  }
}

/// How the program speaks: results on standard output, errors on standard error.
enum Output {
  static func line(_ text: String) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }

  static func error(_ text: String) {
    FileHandle.standardError.write(Data("error: \(oneLine(text))\n".utf8))
  }

  /// Two columns, the second flush.
  static func columns(_ rows: [(String, String)]) -> String {
    let width = (rows.map(\.0.count).max() ?? 0) + 2
    return rows.map { "  \(padded($0.0, width))\($0.1)" }.joined(separator: "\n")
  }

  /// `text` with blanks behind it.
  static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  static func json(_ value: JSONValue) { line(value.text) }

  /// `1234567` as `1.2 MB`: decimal units, as disks are sold.
  static func size(_ count: Int) -> String {
    if count < 1000 { return "\(count) B" }
    var value = Double(count) / 1000
    for unit in ["kB", "MB"] {
      if value < 1000 { return String(format: "%.1f %@", value, unit) }
      value /= 1000
    }
    return String(format: "%.2f GB", value)
  }
}
