import Foundation
import MobileO
import MobileOHost
import Testing

/// The self-test through `mobileo-export serve`, against Python's `verify --replay` of the same bundles.
@Suite(
  .serialized, .enabled(if: Found.everything && Found.damages != nil, Found.nothing), Served())
struct SelfTestTests {
  /// Of the healthy bundle: what is damaged in the others' traces is no artifact.
  private func engine() async throws -> HostEngine {
    let bundle = URL(fileURLWithPath: try #require(Found.bundle))
    return try await HostEngine(#require(Served.address), bundle: bundle)
  }

  private func report(
    _ bundle: URL, _ host: HostEngine, over engine: (any Engine)? = nil
  ) async throws -> SelfTestReport {
    var found: SelfTestReport?
    let test = SelfTest(bundle: bundle, engine: engine ?? host)
    for try await case .report(let report) in test.run() { found = report }
    await host.close()
    return try #require(found)
  }

  @Test(arguments: [
    "nothing", "outputs of components", "gates that nothing meets",
    "a velocity that is not finite", "a velocity of another shape", "input timestep of dit",
    "output of solver",
  ]) func numbersAndVerdictArePythons(_ name: String) async throws {
    let verdict = try Verdict(name)
    try await verdict.compare(report(verdict.bundle, engine()))
  }

  @Test func aDamagedTraceIsRefusedAsPythonRefusesIt() async throws {
    let verdict = try Verdict("no runs")
    #expect(verdict.content["exit"] == 2)
    let engine = try await engine()
    let error = await failure { try await report(verdict.bundle, engine) }
    #expect(error?.kind == .bundle)
    await engine.close()
  }

  @Test func whatDivergesFirstIsThatOfThePipeline() async throws {
    let report = try await report(Verdict("outputs of components").bundle, engine())
    let failing = Set(report.components.filter { !$0.passed }.map(\.name))
    #expect(failing == ["dit", "llm", "mcp", "vae_decoder", "vision_encoder"])
    let first = try #require(report.firstDivergence)
    #expect(report.json["first_divergence"]?["failure"] == .string(first.failure))
    #expect(report.failures.contains(first.failure))
    #expect(report.components.map(\.name) == SelfTest.order)
  }

  @Test func eventsComeBeforeWhatTheyTellOf() async throws {
    let bundle = URL(fileURLWithPath: try #require(Found.bundle))
    let noted = Noted()
    let engine = try await engine()
    let planned = PlannedEngine(
      TimedEngine(engine), Footprint.of(try Manifest(folder: bundle.path)), policy: .drop
    ) { 1 << 40 }
    let test = SelfTest(
      bundle: bundle, engine: planned, machine: JSONObject([("model", "here")]),
      footprint: { 123 }, before: { await noted.add($0) })
    var seen: [String] = []
    var calls = 0
    var last: SelfTestReport?
    for try await event in test.run() {
      switch event {
      case .loading(let component): seen.append("load \(component)")
      case .loaded(let load):
        #expect(seen.last == "load \(load.component)" && load.footprint == 123)
        #expect(load.seconds >= 0)
      case .calling(let call, let done, let total):
        #expect(done == calls && total == 32)
        calls += 1
        seen.append("\(call.component) \(call.name)")
      case .row(let row): #expect(seen.last == "\(row.call.component) \(row.call.name)")
      case .problem(let problem): Issue.record("\(problem.failure)")
      case .checking: seen.append("check")
      case .report(let report): last = report
      }
    }
    await engine.close()
    #expect(seen.first == "load dit" && seen.last == "check" && calls == 32)
    #expect(await noted.events.count == 32 + 5 + 1)
    #expect(last?.passed == true && last?.machine["model"] == "here")
    #expect(last?.components.allSatisfy { $0.mostFootprint == 123 } == true)
    #expect(last?.components.first?.runtime == ComponentRuntime("mil", .host))
  }

  /// What cannot be measured is a finding of its component, and the others go on.
  @Test func whatFailsIsNamedAndTheRestGoesOn() async throws {
    let bundle = URL(fileURLWithPath: try #require(Found.bundle))
    let host = try await engine()
    let faulty = FaultyEngine(
      host,
      [
        "dit": .doesNotLoad(MobileOError(.memory, "dit needs 2.9 GB, 2.1 GB are free")),
        "llm": .gives { $0.mapValues { Tensor(shape: [$0.count], $0.values) } },
        "vision_encoder": .fails(CocoaError(.fileReadUnknown)),
        "vae_decoder": .gives { $0.mapValues(FaultyEngine.infinite) },
        "mcp": .gives { _ in [:] },
      ])
    let report = try await report(bundle, host, over: faulty)
    #expect(!report.passed && report.components.allSatisfy { !$0.passed })
    let found = Dictionary(uniqueKeysWithValues: report.components.map { ($0.name, $0) })
    #expect(found["dit"]?.load == nil && found["dit"]?.calls == 0 && found["dit"]?.rows == [])
    #expect(
      found["dit"]?.problems.map(\.failure) == ["dit: dit needs 2.9 GB, 2.1 GB are free"])
    #expect(found["llm"]?.problems.first?.problem.contains(", expected float32 [1, ") == true)
    #expect(found["vision_encoder"]?.problems.count == 2)
    #expect(found["mcp"]?.problems.first?.problem == "is not given; verify the bundle")
    let rows = found["vae_decoder"]?.rows ?? []
    #expect(rows.first?.judged.metric == .finite && rows.allSatisfy { !$0.judged.holds })
    #expect(rows.first { $0.judged.metric == .relativeL2 }?.judged.value == .infinity)
    #expect(report.firstDivergence?.call.component == "llm")
    #expect(faulty.open == 0)
    #expect(try Found.problem(report.json, "selftest") == nil)
    #expect(report.json.text.contains("\"value\": \"Infinity\""))
  }

  @Test func aServerThatIsGoneEndsIt() async throws {
    let bundle = URL(fileURLWithPath: try #require(Found.bundle))
    let host = try await engine()
    let faulty = FaultyEngine(host, ["llm": .fails(MobileOError(.unreachable, "nobody there"))])
    let error = await failure { try await report(bundle, host, over: faulty) }
    #expect(error == MobileOError(.unreachable, "nobody there"))
    #expect(faulty.open == 0)
  }

  @Test func itStopsBetweenTwoCalls() async throws {
    let bundle = URL(fileURLWithPath: try #require(Found.bundle))
    let engine = try await engine()
    let noted = Noted()
    let test = SelfTest(bundle: bundle, engine: engine, before: { await noted.add($0) })
    for try await event in test.run() {
      if case .calling(_, let done, _) = event, done == 2 { break }
    }
    try await Task.sleep(for: .seconds(1))
    let count = await noted.events.count
    #expect(count < 20)  // of 38: the three calls, and what went on until the stream was left
    try await Task.sleep(for: .seconds(1))
    #expect(await noted.events.count == count)
    await engine.close()
  }
}

/// The same over a server of a bundle whose weights are damaged.
@Suite(
  .serialized, .enabled(if: Found.everything && Found.damages != nil, Found.nothing),
  Served("weights of the transformer"))
struct DamagedWeightsTests {
  @Test func theComponentIsNamed() async throws {
    let bundle = try #require(Found.damaged("weights of the transformer"))
    let address = try #require(Served.address)
    let words = ["--host", "\(address.host):\(address.port)", "--token", address.token]
    let scratch = try Scratch()
    let file = scratch.path + "/report.json"
    let printed = try Program.run(["replay", bundle, "--json", "-o", file] + words)
    #expect(printed.code == 1)
    let report = try JSONReader.document(Array(printed.output.utf8))
    #expect(try Files.json(file) == report && report["passed"] == false)
    let failing = report["components"]?.array?.filter { $0["passed"] == false }
    #expect(failing?.compactMap { $0["name"]?.string } == ["dit"])
    #expect(report["first_divergence"]?["component"] == "dit")
    #expect(printed.errors.contains("does not compute what was recorded"))
  }

  @Test func numbersArePythons() async throws {
    let verdict = try Verdict("weights of the transformer")
    let engine = try await HostEngine(#require(Served.address), bundle: verdict.bundle)
    for try await case .report(let report) in SelfTest(bundle: verdict.bundle, engine: engine).run()
    {
      try verdict.compare(report)
    }
    await engine.close()
  }
}

private actor Noted {
  private(set) var events: [SelfTestEvent] = []
  func add(_ event: SelfTestEvent) { events.append(event) }
}
