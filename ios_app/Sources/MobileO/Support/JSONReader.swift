import Foundation

/// Reads JSON as Python's reader does: strict, every key once, bounded in depth.
///
/// A document can be read whole (``document(_:)``), or walked member by member, so that a vocabulary
/// of 150,000 tokens never becomes as many `String`s.
package struct JSONReader {
  /// Why a document cannot be read, in words.
  package struct Problem: Error, Equatable {
    package let reason: String
  }

  private static let deepest = 512
  private let bytes: [UInt8]
  private var index = 0
  private var depth = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The whole document in `bytes`.
  package static func document(_ bytes: [UInt8]) throws -> JSONValue {
    var reader = JSONReader(bytes)
    let value = try reader.value()
    try reader.end()
    return value
  }

  /// Fails unless nothing but blanks follows.
  package mutating func end() throws {
    skipBlanks()
    if index < bytes.count { throw failure("something follows the document") }
  }

  /// Any value.
  package mutating func value() throws -> JSONValue {
    skipBlanks()
    switch peek() {
    case UInt8(ascii: "{"):
      var members: [(key: String, value: JSONValue)] = []
      try eachMember { reader, key in
        members.append((try reader.text(key), try reader.value()))
      }
      let object = JSONObject(members)
      if let key = object.repeated {
        throw Problem(reason: "the key '\(key.prefix(80))' occurs twice")
      }
      return .object(object)
    case UInt8(ascii: "["):
      var items: [JSONValue] = []
      try eachElement { reader in items.append(try reader.value()) }
      return .array(items)
    case UInt8(ascii: "\""):
      var content: [UInt8] = []
      try string(into: &content)
      return .string(try text(content[...]))
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  /// Calls `body` at the value of every member of the object here, with its key in UTF-8.
  package mutating func eachMember(
    _ body: (inout JSONReader, ArraySlice<UInt8>) throws -> Void
  ) throws {
    try enter(UInt8(ascii: "{"))
    var key: [UInt8] = []
    var first = true
    while try next(UInt8(ascii: "}"), first: first) {
      first = false
      skipBlanks()
      key.removeAll(keepingCapacity: true)
      try string(into: &key)
      skipBlanks()
      if peek() != UInt8(ascii: ":") { throw failure("a key has no value") }
      index += 1
      try body(&self, key[...])
    }
  }

  /// Calls `body` at every element of the array here.
  package mutating func eachElement(_ body: (inout JSONReader) throws -> Void) throws {
    try enter(UInt8(ascii: "["))
    var first = true
    while try next(UInt8(ascii: "]"), first: first) {
      first = false
      try body(&self)
    }
  }

  /// Whether the next value begins with `character`.
  package mutating func begins(with character: Character) -> Bool {
    skipBlanks()
    return peek() == character.asciiValue
  }

  /// Appends the content of the string here, in UTF-8.
  package mutating func string(into content: inout [UInt8]) throws {
    skipBlanks()
    if peek() != UInt8(ascii: "\"") { throw failure("a string is missing") }
    index += 1
    var start = index
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") {
        content.append(contentsOf: bytes[start..<index])
        index += 1
        return
      }
      if byte == UInt8(ascii: "\\") {
        content.append(contentsOf: bytes[start..<index])
        index += 1
        try escape(into: &content)
        start = index
      } else if byte < 0x20 {
        throw failure("a string holds a control character")
      } else {
        index += 1
      }
    }
    throw failure("a string has no end")
  }

  private mutating func escape(into content: inout [UInt8]) throws {
    guard let byte = peek() else { throw failure("a string has no end") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(8)
    case UInt8(ascii: "f"): content.append(12)
    case UInt8(ascii: "n"): content.append(10)
    case UInt8(ascii: "r"): content.append(13)
    case UInt8(ascii: "t"): content.append(9)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xD800..<0xDC00).contains(code), peek() == UInt8(ascii: "\\"),
        index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "u")
      {
        index += 2
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else {
          throw failure("a string holds half a character")
        }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else {
        throw failure("a string holds half a character")
      }
      content.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    default: throw failure("a string holds an unknown escape")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    let digits = bytes[index..<min(index + 4, bytes.count)]
    index += digits.count
    let plain = digits.allSatisfy { $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }
    guard digits.count == 4, plain,
      let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw failure("a string holds an unknown escape") }
    return code
  }

  private mutating func number() throws -> JSONValue {
    let start = index
    if peek() == UInt8(ascii: "-") { index += 1 }
    let whole = digits()
    if whole == 0 || (whole > 1 && bytes[index - whole] == UInt8(ascii: "0")) {
      index = start
      throw failure(index < bytes.count ? "a value is missing" : "it ends too early")
    }
    var isWhole = true
    if peek() == UInt8(ascii: ".") {
      index += 1
      isWhole = false
      if digits() == 0 { throw failure("a number ends in its point") }
    }
    if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
      index += 1
      isWhole = false
      if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { index += 1 }
      if digits() == 0 { throw failure("a number has no exponent") }
    }
    if isWhole, index - start < 18 {
      let negative = bytes[start] == UInt8(ascii: "-")
      let value = bytes[start..<index].dropFirst(negative ? 1 : 0).reduce(0) {
        $0 * 10 + Int($1 - UInt8(ascii: "0"))
      }
      return .integer(negative ? -value : value)
    }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    if isWhole {
      if let value = Int(text) { return .integer(value) }
      if let value = UInt64(text) { return .unsigned(value) }
    }
    return .number(Double(text) ?? .infinity)
  }

  private mutating func digits() -> Int {
    let start = index
    while let byte = peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { index += 1 }
    return index - start
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
    let count = word.utf8CodeUnitCount
    let matches = word.withUTF8Buffer {
      index + count <= bytes.count && bytes[index..<index + count].elementsEqual($0)
    }
    if !matches { throw failure("a value is missing") }
    index += count
    return value
  }

  private mutating func enter(_ bracket: UInt8) throws {
    skipBlanks()
    if peek() != bracket { throw failure("a value has another type than expected") }
    index += 1
    depth += 1
    if depth > Self.deepest { throw Problem(reason: "nested too deeply") }
  }

  /// Moves to the next item, or behind the closing bracket: then false.
  private mutating func next(_ closing: UInt8, first: Bool) throws -> Bool {
    skipBlanks()
    if peek() == closing {
      index += 1
      depth -= 1
      return false
    }
    if first { return true }
    if peek() != UInt8(ascii: ",") { throw failure("a comma is missing") }
    index += 1
    skipBlanks()
    if peek() == closing { throw failure("a comma has nothing behind it") }
    return true
  }

  private mutating func skipBlanks() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x0A, 0x0D, 0x09: index += 1
      default: return
      }
    }
  }

  private func peek() -> UInt8? { index < bytes.count ? bytes[index] : nil }

  private func text(_ content: ArraySlice<UInt8>) throws -> String {
    guard let text = String(validating: content, as: UTF8.self) else {
      throw failure("it is no UTF-8")
    }
    return text
  }

  private func failure(_ what: String) -> Problem {
    let line = bytes.prefix(index).reduce(1) { $1 == 0x0A ? $0 + 1 : $0 }
    return Problem(reason: "\(what), line \(line)")
  }
}
