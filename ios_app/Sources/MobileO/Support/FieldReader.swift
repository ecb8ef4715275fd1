/// Typed access to the fields of a JSON document; what is missing or of another type is named.
package struct FieldReader {
  package let content: JSONValue
  private let at: String

  package init(_ content: JSONValue, at: String) {
    self.content = content
    self.at = at
  }

  package func string(_ key: String) throws -> String {
    try get(key, "text") { $0.string }
  }

  package func integer(_ key: String) throws -> Int {
    try get(key, "a whole number") { $0.integer }
  }

  package func double(_ key: String) throws -> Double {
    try get(key, "a number") { $0.double }
  }

  package func unsigned(_ key: String) throws -> UInt64 {
    try get(key, "a whole number") { $0.unsigned }
  }

  package func array(_ key: String) throws -> [FieldReader] {
    try get(key, "a list") { $0.array }.enumerated().map { index, item in
      FieldReader(item, at: "\(at): \(key)[\(index)]")
    }
  }

  package func integers(_ key: String) throws -> [Int] {
    try get(key, "a list of whole numbers") { value in
      value.array.flatMap { items in
        let numbers = items.compactMap(\.integer)
        return numbers.count == items.count ? numbers : nil
      }
    }
  }

  package func doubles(_ key: String) throws -> [Double] {
    try get(key, "a list of numbers") { value in
      value.array.flatMap { items in
        let numbers = items.compactMap(\.double)
        return numbers.count == items.count ? numbers : nil
      }
    }
  }

  package func rows(_ key: String) throws -> [[Double]] {
    try get(key, "a list of lists of numbers") { value in
      value.array.flatMap { rows in
        let found = rows.compactMap { row in
          row.array.flatMap { items in
            let numbers = items.compactMap(\.double)
            return numbers.count == items.count ? numbers : nil
          }
        }
        return found.count == rows.count ? found : nil
      }
    }
  }

  package func strings(_ key: String) throws -> [String] {
    try get(key, "a list of texts") { value in
      value.array.flatMap { items in
        let texts = items.compactMap(\.string)
        return texts.count == items.count ? texts : nil
      }
    }
  }

  package func object(_ key: String) throws -> FieldReader {
    let found = try get(key, "an object") { $0.object }
    return FieldReader(.object(found), at: "\(at): \(key)")
  }

  /// Names and values of this object, in order.
  package func members() throws -> [(String, FieldReader)] {
    guard let object = content.object else { throw failure("is no object") }
    return object.members.map { ($0.key, FieldReader($0.value, at: "\(at): \($0.key)")) }
  }

  /// The field unless it is missing or null.
  package func optional(_ key: String) -> FieldReader? {
    guard let value = content[key], !value.isNull else { return nil }
    return FieldReader(value, at: "\(at): \(key)")
  }

  package func failure(_ problem: String) -> MobileOError {
    MobileOError(.bundle, "\(at) \(problem); export again or download it again")
  }

  private func get<Value>(
    _ key: String, _ kind: String, _ read: (JSONValue) -> Value?
  ) throws -> Value {
    guard let value = content[key] else { throw failure("has no \(key)") }
    guard let found = read(value) else { throw failure("has a \(key) that is not \(kind)") }
    return found
  }
}
