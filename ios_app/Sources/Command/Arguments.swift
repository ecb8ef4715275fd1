import MobileO

/// The words of one command, parsed: nothing that is not declared is let pass.
struct Arguments {
  /// An option: `--name VALUE`, or without a value a switch.
  struct Option {
    let names: [String]
    /// What stands for the value in the help; nil for a switch.
    let value: String?
    let help: String

    init(_ names: String..., value: String? = nil, help: String) {
      (self.names, self.value, self.help) = (names, value, help)
    }
  }

  private var values: [String: String] = [:]
  private(set) var positional: [String] = []

  static let help = Option("--help", help: "Show this message and exit.")

  /// Reads `words`; everything behind `--` is positional, and so is a negative number. Options that
  /// are `elsewhere` are refused with the reason.
  init(_ words: [String], _ options: [Option], elsewhere: [String: String] = [:]) throws {
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" {
        positional += rest
        return
      }
      guard word.hasPrefix("-"), word.count > 1, Double(word) == nil else {
        positional.append(word)
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = word.hasPrefix("--") ? String(parts[0]) : word
      if let reason = elsewhere[name] { throw MobileOError(.usage, "\(name) \(reason)") }
      guard let option = (options + [Self.help]).first(where: { $0.names.contains(name) }) else {
        throw MobileOError(.usage, "no such option: \(name); see --help")
      }
      let key = option.names[0]
      if values[key] != nil { throw MobileOError(.usage, "\(name) is given twice; give it once") }
      let given = word.hasPrefix("--") && parts.count > 1 ? String(parts[1]) : nil
      if option.value == nil {
        if given != nil { throw MobileOError(.usage, "\(name) takes no value; leave it out") }
        values[key] = ""
      } else if let value = given ?? rest.popFirst() {
        values[key] = value
      } else {
        throw MobileOError(.usage, "\(name) needs a value; see --help")
      }
    }
  }

  /// Whether a switch is given.
  func has(_ name: String) -> Bool { values[name] != nil }

  /// The value of an option.
  func value(_ name: String) -> String? { values[name] }

  /// The value of an option as a number of the type that is asked for.
  func number<Number: LosslessStringConvertible>(_ name: String, _ what: String) throws -> Number? {
    guard let text = values[name] else { return nil }
    guard let number = Number(text) else {
      throw MobileOError(.usage, "\(name) \(text): give \(what)")
    }
    return number
  }
}
