import Foundation

/// A check of JSON against one of the published schemas, of the keywords that they use.
///
/// It is as strict as Python's, but for one thing: fields that a schema does not name are let pass,
/// so that a reader goes on to read what a later exporter adds.
package struct SchemaCheck {
  private let root: JSONValue
  private static let ignored: Set<String> = [
    "$schema", "$id", "$defs", "title", "description",
  ]

  package init(_ text: String) throws {
    do {
      root = try JSONReader.document([UInt8](text.utf8))
    } catch let problem as JSONReader.Problem {
      throw MobileOError(.bundle, "a schema in this package is damaged (\(problem.reason))")
    }
  }

  /// What is wrong with `value`, and where, in a few words; nil when it fits.
  package func problem(_ value: JSONValue, whole: String) -> String? {
    problem(value, root, whole)
  }

  private func problem(_ value: JSONValue, _ schema: JSONValue, _ at: String) -> String? {
    for (keyword, argument) in schema.object?.members ?? [] {
      if let found = problem(value, keyword, argument, schema, at) { return found }
    }
    return nil
  }

  private func problem(
    _ value: JSONValue, _ keyword: String, _ argument: JSONValue, _ schema: JSONValue, _ at: String
  ) -> String? {
    switch keyword {
    case "$ref":
      let name = argument.string?.split(separator: "/").last.map(String.init) ?? ""
      return root["$defs"]?[name].flatMap { problem(value, $0, at) }
    case "anyOf":
      let options = argument.array ?? []
      let fits = options.contains { problem(value, $0, at) == nil }
      return fits ? nil : "\(at) has none of the allowed forms"
    case "properties":
      for (name, rule) in argument.object?.members ?? [] {
        if let member = value[name], let found = problem(member, rule, Self.below(at, name)) {
          return found
        }
      }
    case "additionalProperties":
      let known = schema["properties"]?.object
      for (name, member) in value.object?.members ?? [] where known?.contains(name) != true {
        if argument.object != nil, let found = problem(member, argument, Self.below(at, name)) {
          return found
        }
      }
    case "items":
      for (index, item) in (value.array ?? []).enumerated() {
        if let found = problem(item, argument, "\(at)[\(index)]") { return found }
      }
    default:
      if !Self.ignored.contains(keyword), let broken = Self.simple(value, keyword, argument) {
        return "\(at) \(broken)"
      }
    }
    return nil
  }

  /// One keyword that looks at one value; as JSON Schema has it, values of other types pass.
  private static func simple(
    _ value: JSONValue, _ keyword: String, _ argument: JSONValue
  ) -> String? {
    switch keyword {
    case "required":
      guard let object = value.object else { return nil }
      let missing = (argument.array ?? []).compactMap(\.string).filter { !object.contains($0) }
      return missing.isEmpty ? nil : "has no \(missing.sorted().joined(separator: ", "))"
    case "type":
      let names = argument.string.map { [$0] } ?? (argument.array ?? []).compactMap(\.string)
      if names.contains(where: { hasType(value, $0) }) { return nil }
    case "const": if value == argument { return nil }
    case "enum": if (argument.array ?? []).contains(value) { return nil }
    case "pattern":
      guard let text = value.string, let pattern = argument.string else { return nil }
      if matches(text, pattern) { return nil }
    case "minimum", "exclusiveMinimum":
      guard let number = value.double, let bound = argument.double else { return nil }
      if keyword == "minimum" ? number >= bound : number > bound { return nil }
    case "minItems", "maxItems":
      guard let count = value.array?.count, let bound = argument.integer else { return nil }
      if keyword == "minItems" ? count >= bound : count <= bound { return nil }
    case "minProperties":
      guard let count = value.object?.members.count, let bound = argument.integer else {
        return nil
      }
      if count >= bound { return nil }
    default: return "has a rule '\(keyword)' that this release does not know"
    }
    let shown = value.text.prefix(60)
    return "is \(shown), not of \(keyword) \(argument.text.prefix(60))"
  }

  private static func hasType(_ value: JSONValue, _ name: String) -> Bool {
    switch (name, value) {
    case ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool),
      ("null", .null), ("integer", .integer), ("integer", .unsigned), ("number", .integer),
      ("number", .unsigned):
      true
    case ("number", .number(let number)): number.isFinite
    default: false
    }
  }

  private static func matches(_ text: String, _ pattern: String) -> Bool {
    guard let regex = try? Regex(pattern).matchingSemantics(.unicodeScalar) else { return false }
    return text.contains(regex)
  }

  private static func below(_ at: String, _ name: String) -> String {
    at.hasPrefix("the ") ? name : "\(at).\(name)"
  }
}
