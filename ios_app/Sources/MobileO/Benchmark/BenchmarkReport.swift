/// The document of a benchmark, in the form that Python's and the board's have: results.schema.json of
/// mobileo_export/bench.
public struct BenchmarkReport: Sendable, Equatable {
  /// What `format` says in it.
  public static let format = "mobileo-bench"
  /// The version of the format.
  public static let formatVersion = 1

  /// Which program measured: its name and version.
  public let program: (name: String, version: String)
  /// What executed the artifacts.
  public let runtime: String
  /// Which bundle.
  public let manifest: Manifest
  /// The device: model, releases, thermal state, power mode, as far as they are known.
  public let machine: JSONObject
  /// Numbers of runs, tokens, steps and sizes.
  public let settings: JSONObject
  /// What was measured.
  public let measurements: [BenchmarkMeasurement]
  /// Memory, power and temperature meanwhile.
  public let telemetry: JSONObject?
  /// What a reader should know.
  public let notes: [String]

  /// The document of these measurements.
  public init(
    program: (name: String, version: String), runtime: String, manifest: Manifest,
    machine: JSONObject, settings: JSONObject, measurements: [BenchmarkMeasurement],
    telemetry: JSONObject? = nil, notes: [String] = []
  ) {
    (self.program, self.runtime, self.manifest) = (program, runtime, manifest)
    (self.machine, self.settings, self.measurements) = (machine, settings, measurements)
    (self.telemetry, self.notes) = (telemetry, notes)
  }

  /// As plain data.
  public var json: JSONValue {
    [
      "format": .string(Self.format), "format_version": .integer(Self.formatVersion),
      "program": ["name": .string(program.name), "version": .string(program.version)],
      "runtime": .string(runtime), "bundle": manifest.identification, "machine": .object(machine),
      "settings": .object(settings), "measurements": .array(measurements.map(\.json)),
      "telemetry": telemetry.map { .object($0) } ?? .null,
      "notes": .array(notes.map { .string($0) }),
    ]
  }

  /// Equal in every field.
  public static func == (left: BenchmarkReport, right: BenchmarkReport) -> Bool {
    left.json == right.json
  }
}

extension Manifest {
  /// Identity, source and precision of each component, as reports have them.
  var identification: JSONValue {
    let precision = components.map { name, component in
      (key: name, value: JSONValue.string(component.artifacts.first?.computePrecision ?? ""))
    }
    return [
      "manifest_sha256": .string(identity), "source": content["source"]?["name"] ?? .null,
      "precision": .object(JSONObject(precision)),
    ]
  }
}

/// Seconds of each of `runs` calls, after `warmups` that do not count.
///
/// `once` may give seconds of its own, where only a part of it counts; `done` is told how many calls are
/// done, of how many. Cancelled between two calls.
public func measure(
  runs: Int, warmups: Int, done: (Int, Int) -> Void = { _, _ in },
  _ once: () async throws -> Double?
) async throws -> [Double] {
  var found: [Double] = []
  let clock = ContinuousClock()
  for run in 0..<max(0, runs) + max(0, warmups) {
    try Task.checkCancellation()
    let started = clock.now
    let own = try await once()
    let spent = started.duration(to: clock.now) / .seconds(1)
    if run >= warmups { found.append(own ?? spent) }
    done(run + 1, runs + warmups)
  }
  return found
}
