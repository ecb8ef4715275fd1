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
  /// Options of the command that `mobileo-export` calls so and that mean nothing here, with the reason.
  static var elsewhere: [String: String] { get }
  static func run(_ arguments: Arguments) async throws
}

extension Command {
  static var elsewhere: [String: String] { [:] }

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
    try words(arguments, [what])[0]
  }

  /// The positional words, one for each of `names`.
  static func words(_ arguments: Arguments, _ names: [String]) throws -> [String] {
    try words(arguments.positional, names)
  }

  private static func words(_ found: [String], _ names: [String]) throws -> [String] {
    if found.count < names.count {
      throw MobileOError(
        .usage, "missing argument \(names[found.count]); see mobileo \(name) --help")
    }
    if found.count > names.count {
      throw MobileOError(
        .usage, "unexpected argument '\(found[names.count])'; see mobileo \(name) --help")
    }
    return found
  }

  /// The positional words, one for each of `names`, and the one or more behind them.
  static func words(
    _ arguments: Arguments, _ names: [String], then last: String
  ) throws -> ([String], [String]) {
    let found = arguments.positional
    let count = min(found.count, names.count + 1)
    let first = try words(Array(found.prefix(count)), names + [last])
    return (Array(first.dropLast()), Array(found.dropFirst(names.count)))
  }
}

/// How the program speaks: results on standard output, errors on standard error.
enum Output {
  static func line(_ text: String) { part(text + "\n") }

  /// Text without a new line.
  static func part(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

  static func error(_ text: String) { aside("error: \(oneLine(text))\n") }

  static func warning(_ text: String) { aside("warning: \(oneLine(text))\n") }

  /// Text on standard error.
  static func aside(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

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

  /// `3.14159` as `3.1`.
  static func decimal(_ value: Double) -> String { String(format: "%.1f", value) }

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
