import MobileO

/// How hot the device is, in the system's four words.
public enum Heat: String, Sendable, CaseIterable, Comparable {
  case nominal, fair, serious, critical

  /// Cooler than.
  public static func < (left: Heat, right: Heat) -> Bool {
    (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
  }
}

/// What the app reads of the device that it runs on; nil, or empty, is what nobody can say.
public struct Device: Sendable {
  /// Bytes that this process takes: `phys_footprint`.
  public var footprint: @Sendable () -> Int? = { nil }
  /// Bytes that it may still take.
  public var headroom: @Sendable () -> Int? = { nil }
  /// How hot it is.
  public var heat: @Sendable () -> Heat? = { nil }
  /// From 0 to 1.
  public var battery: @Sendable () -> Double? = { nil }
  /// Whether Low Power Mode is on.
  public var isLowPower: @Sendable () -> Bool? = { nil }
  /// Model, system, release, memory: what a report says of the machine.
  public var machine: @Sendable () -> JSONObject = { JSONObject([]) }
  /// Where the operations of a component run, in counts by compute unit; nil where nobody can say.
  public var computePlan: @Sendable (_ component: String) async throws -> JSONValue? = { _ in nil }

  /// One that says nothing: set what is known.
  public init() {}

  /// ``machine``, and the state that it is in: what a report says of it.
  var description: JSONObject {
    let state: [(key: String, value: JSONValue)] = [
      ("thermal_state", heat().map { .string($0.rawValue) } ?? .null),
      ("battery", battery().map { .number($0) } ?? .null),
      ("low_power_mode", isLowPower().map { .bool($0) } ?? .null),
    ]
    return JSONObject(machine().members + state.filter { !$0.value.isNull })
  }
}
