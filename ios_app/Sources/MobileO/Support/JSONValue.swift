/// A JSON document, with everything that is in it: what a reader does not know is kept.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  /// A whole number without point or exponent.
  case integer(Int)
  /// A whole number from 2⁶³ to 2⁶⁴ − 1: seeds.
  case unsigned(UInt64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// The member `key` of an object; nil of anything else, or when there is none.
  public subscript(key: String) -> JSONValue? {
    if case .object(let object) = self { object[key] } else { nil }
  }

  /// The text of a string.
  public var string: String? { if case .string(let text) = self { text } else { nil } }

  /// The value of true and false.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The value of a whole number that fits `Int`.
  public var integer: Int? { if case .integer(let value) = self { value } else { nil } }

  /// The value of a whole number from 0 to 2⁶⁴ − 1.
  public var unsigned: UInt64? {
    switch self {
    case .integer(let value): UInt64(exactly: value)
    case .unsigned(let value): value
    default: nil
    }
  }

  /// The value of any number.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .unsigned(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The items of an array.
  public var array: [JSONValue]? { if case .array(let items) = self { items } else { nil } }

  /// The members of an object.
  public var object: JSONObject? { if case .object(let object) = self { object } else { nil } }

  /// Whether it is `null`.
  public var isNull: Bool { self == .null }

  /// An object with every value changed; anything else as it is.
  package func replacingEach(_ change: (String, JSONValue) -> JSONValue) -> JSONValue {
    guard case .object(let object) = self else { return self }
    return .object(JSONObject(object.members.map { ($0.key, change($0.key, $0.value)) }))
  }

  /// An object with the value of `key` changed, where there is one; anything else as it is.
  package func replacing(_ key: String, _ change: (JSONValue) -> JSONValue) -> JSONValue {
    replacingEach { Exact($0) == Exact(key) ? change($1) : $1 }
  }
}

/// The members of a JSON object in the order of the file, every key once.
public struct JSONObject: Sendable, Equatable {
  /// Keys and values, in order.
  public let members: [(key: String, value: JSONValue)]
  private let places: [Exact: Int]

  /// An object of `members`; of a key that comes twice the last value is found.
  public init(_ members: [(key: String, value: JSONValue)]) {
    self.members = members
    var places: [Exact: Int] = [:]
    for (place, member) in members.enumerated() { places[Exact(member.key)] = place }
    self.places = places
  }

  /// The value of `key`, compared scalar for scalar.
  public subscript(key: String) -> JSONValue? {
    places[Exact(key)].map { members[$0].value }
  }

  /// Whether some member is called `key`.
  public func contains(_ key: String) -> Bool { places[Exact(key)] != nil }

  /// The first key that comes twice.
  package var repeated: String? {
    if places.count == members.count { return nil }
    var seen: Set<Exact> = []
    return members.first { !seen.insert(Exact($0.key)).inserted }?.key
  }

  /// Equal members in any order.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.members.count == right.members.count
      && left.members.allSatisfy { right[$0.key] == $0.value }
  }
}
