extension SelfTestReport {
  /// As plain data, of selftest.schema.json; what JSON has no number for is text, such as `Infinity`.
  public var json: JSONValue {
    let failed = checks.compactMap { check in
      check.problem.map { problem -> JSONValue in
        ["name": .string(check.name), "problem": .string(problem)]
      }
    }
    return [
      "format": .string(Self.format), "format_version": .integer(Self.formatVersion),
      "program": ["name": .string(program.name), "version": .string(program.version)],
      "bundle": manifest.identification, "machine": .object(machine), "passed": .bool(passed),
      "first_divergence": firstDivergence.map { Self.json($0.call, $0.failure) } ?? .null,
      "components": .array(components.map(\.json)),
      "checks": ["total": .integer(checks.count), "failed": .array(failed)],
      "failures": .array(failures.map { .string($0) }),
    ]
  }

  private static func json(_ call: SelfTestCall, _ failure: String) -> JSONValue {
    JSONValue.object(JSONObject(call.members + [("failure", .string(failure))]))
  }
}

extension SelfTestReport.Component {
  fileprivate var json: JSONValue {
    [
      "name": .string(name), "runtime": .string(runtime.name),
      "gates": .string(runtime.executor.rawValue), "provisional": .bool(isProvisional),
      "passed": .bool(passed), "calls": .integer(calls),
      "load_seconds": load.map { .number($0.seconds) } ?? .null,
      "first_call_seconds": firstCall.map { .number($0) } ?? .null,
      "footprint": (load?.footprint).map { .integer($0) } ?? .null,
      "most_footprint": mostFootprint.map { .integer($0) } ?? .null,
      "rows": .array(rows.map(\.json)), "problems": .array(problems.map(\.json)),
    ]
  }
}

extension SelfTestCall {
  /// Its component, stage and place.
  fileprivate var members: [(key: String, value: JSONValue)] {
    [
      ("component", .string(component)), ("stage", .string(stage)), ("run", .string(run)),
      ("step", step.map { .integer($0) } ?? .null), ("branch", branch.map { .string($0) } ?? .null),
    ]
  }
}

extension SelfTestRow {
  fileprivate var json: JSONValue {
    let own: [(key: String, value: JSONValue)] = [
      ("output", .string(output)), ("metric", .string(judged.metric.rawValue)),
      ("value", Self.number(judged.value)), ("bound", .number(judged.bound)),
      ("passed", .bool(judged.holds)),
      ("worst_slice", judged.slice.map { .string($0.name) } ?? .null),
    ]
    return .object(JSONObject(call.members.filter { $0.key != "component" } + own))
  }

  private static func number(_ value: Double) -> JSONValue {
    if value.isFinite { return .number(value) }
    return value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
  }
}

extension SelfTestProblem {
  fileprivate var json: JSONValue {
    let name = call.map(\.name)
    return [
      "call": name.map { .string($0) } ?? .null,
      "stage": (call?.stage).map { .string($0) } ?? .null,
      "output": output.map { .string($0) } ?? .null, "problem": .string(problem),
    ]
  }
}
