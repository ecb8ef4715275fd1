import Foundation

extension JSONValue {
  /// The document as text: keys sorted, two blanks a level, so that equal values are equal text.
  public var text: String {
    var text = ""
    write(to: &text, indent: 0)
    return text
  }

  /// The same in one line.
  public var line: String {
    var text = ""
    write(to: &text, indent: nil)
    return text
  }

  /// Indented by `indent` blanks and more the deeper it is, or nil for one line.
  private func write(to text: inout String, indent: Int?) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .unsigned(let value): text += String(value)
    case .number(let value): text += value.isFinite ? "\(value)" : "null"
    case .string(let value): Self.quote(value, to: &text)
    case .array(let items):
      Self.list(items, "[", "]", to: &text, indent) { $0.write(to: &$1, indent: $2) }
    case .object(let object):
      let sorted = object.members.sorted { Exact($0.key) < Exact($1.key) }
      Self.list(sorted, "{", "}", to: &text, indent) { member, text, indent in
        Self.quote(member.key, to: &text)
        text += ": "
        member.value.write(to: &text, indent: indent)
      }
    }
  }

  private static func list<Item>(
    _ items: [Item], _ opening: String, _ closing: String, to text: inout String, _ indent: Int?,
    each: (Item, inout String, Int?) -> Void
  ) {
    let deeper = indent.map { $0 + 2 }
    func newLine(_ indent: Int?) -> String {
      indent.map { "\n" + String(repeating: " ", count: $0) } ?? ""
    }
    text += opening
    for (place, item) in items.enumerated() {
      text += place == 0 ? "" : indent == nil ? ", " : ","
      text += newLine(deeper)
      each(item, &text, deeper)
    }
    text += items.isEmpty ? "" : newLine(indent)
    text += closing
  }

  private static func quote(_ value: String, to text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{8}": text += "\\b"
      case "\u{C}": text += "\\f"
      case let control where control.value < 0x20:
        let digits = String(control.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// True or false.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// An array.
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// An object.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(JSONObject(elements.map { (key: $0.0, value: $0.1) }))
  }
}
