import MobileO

/// `mobileo verify`: is a bundle what was sealed?
enum Verify: Command {
  static let name = "verify"
  static let summary = "Check a bundle against its manifest."
  static let usage = "BUNDLE"
  static let details = """
    Every file must be there with the contents that were sealed, and nothing else. With --replay the
    golden trace in the bundle is replayed too, see mobileo replay.
    """
  static let options = [
    Arguments.Option("--replay", help: "Replay the golden trace in the bundle."),
    Arguments.Option("--json", help: "Print the result as JSON."),
  ]

  static func run(_ arguments: Arguments) async throws {
    let folder = try single(arguments, "BUNDLE")
    try await check(folder, replay: arguments.has("--replay"), json: arguments.has("--json"))
  }

  /// Checks the seal and, where asked for, the trace.
  static func check(_ folder: String, replay: Bool, json: Bool) async throws {
    let manifest = try Manifest(folder: folder)
    var result = try seal(folder, manifest, json: json)
    if !replay {
      if json { Output.json(.object(JSONObject(result))) }
      return
    }
    let replayed = try await GoldenReplay(folder: folder, manifest: manifest)
    let failures = replayed.failures
    if json {
      result.append(("replay", report(replayed)))
      Output.json(.object(JSONObject(result)))
    } else {
      let same = replayed.checks.count - failures.count
      Output.line(
        "of \(replayed.checks.count) steps, small parts and pipelines \(same) are as recorded")
      Output.line(
        "not asserted: what \(GoldenReplay.notAsserted.joined(separator: ", ")) compute; that takes "
          + "an engine (--host of mobileo replay), or mobileo-export verify --replay")
      for failure in failures { Output.error(failure) }
    }
    if !replayed.holds { throw Self.failure(folder, failures.count) }
  }

  /// What ends a replay that did not hold.
  static func failure(_ folder: String, _ count: Int) -> MobileOError {
    MobileOError(
      .checkFailed, "\(folder): does not compute what was recorded (\(count) checks failed)")
  }

  /// Checks the seal and says so; what is found as plain data.
  static func seal(
    _ folder: String, _ manifest: Manifest, json: Bool
  ) throws -> [(key: String, value: JSONValue)] {
    let problems = try Seal.verify(folder, manifest)
    var result: [(key: String, value: JSONValue)] = [
      ("bundle", .string(folder)),
      (
        "problems",
        .array(
          problems.map {
            [
              "path": .string($0.path), "kind": .string($0.kind.rawValue),
              "detail": .string($0.detail),
            ]
          })
      ),
    ]
    let aside = try Seal.strays(folder, manifest)
    result.append(("left_aside", .array(aside.map { .string($0) })))
    if !problems.isEmpty {
      if json {
        Output.json(.object(JSONObject(result)))
      } else {
        for problem in problems {
          let kind = Output.padded(problem.kind.rawValue, 10)
          Output.line(printable("\(kind) \(problem.path)  (\(problem.detail))"))
        }
      }
      throw MobileOError(
        .checkFailed,
        "\(folder): \(problems.count) of its files are not as sealed; \(Seal.advice(problems))")
    }
    if !json {
      let size = manifest.files.reduce(0) { $0 + $1.size }
      Output.line(
        printable(
          "\(folder): \(manifest.files.count) files, \(Output.size(size)), all as sealed"))
    }
    if !json, !aside.isEmpty {
      let names = aside.joined(separator: ", ")
      Output.line(printable("left aside, no part of the bundle: \(names)"))
    }
    return result
  }

  private static func report(_ replayed: GoldenReplay) -> JSONValue {
    let failed = replayed.checks.compactMap { check in
      check.problem.map { problem -> JSONValue in
        ["name": .string(check.name), "problem": .string(problem)]
      }
    }
    return [
      "ok": .bool(replayed.holds),
      "checks": ["total": .integer(replayed.checks.count), "failed": .array(failed)],
      "failures": .array(replayed.failures.map { .string($0) }),
      "not_asserted": .array(GoldenReplay.notAsserted.map { .string($0) }),
    ]
  }
}
