import Foundation
import MobileO
import MobileOHost
import Testing

/// The self-test through `mobileo-export serve`, against Python's `verify --replay` of the same bundles.
@Suite(
  .serialized, .enabled(if: Found.everything && Found.damages != nil, Found.nothing), Served())
struct SelfTestTests {
  /// A bundle, and what Python made of it.
  private func verdict(_ name: String) throws -> (bundle: URL, content: JSONValue) {
    let folder = try #require(Found.damages)
    let all = try Files.json(folder + "/verdicts.json").array ?? []
    let found = try #require(all.first { $0["name"]?.string == name })
    let path = folder + "/" + (found["folder"]?.string ?? "")
    return (URL(fileURLWithPath: path), found)
  }

  /// Of the healthy bundle: what is damaged in the others' traces is no artifact.
  private func engine() async throws -> HostEngine {
    let bundle = URL(fileURLWithPath: try #require(Found.bundle))
    return try await HostEngine(#require(Served.address), bundle: bundle)
  }

  private func report(_ bundle: URL, _ engine: HostEngine) async throws -> SelfTestReport {
    var found: SelfTestReport?
    for try await case .report(let report) in SelfTest(bundle: bundle, engine: engine).run() {
      found = report
    }
    await engine.close()
    return try #require(found)
  }

  /// Bound for bound Python's numbers, to the bit but for the order of sums.
  private func compare(_ report: SelfTestReport, _ content: JSONValue) throws {
    #expect(report.passed == (content["exit"] == 0))
    #expect(report.passed == report.failures.isEmpty)
    let rows = try #require(content["rows"]?.array)
    var (compared, equal) = (0, 0)
    for component in report.components {
      let wanted = rows.filter { $0["component"]?.string == component.name }
      let numbers = wanted.filter { $0["problem"] == nil }
      #expect(component.problems.count == wanted.count - numbers.count)
      for (found, item) in zip(component.problems, wanted.filter { $0["problem"] != nil }) {
        #expect(found.problem == item["problem"]?.string && found.output == item["output"]?.string)
        #expect(found.call?.name == item["call"]?.string)
      }
      try #require(component.rows.count == numbers.count, "\(component.name)")
      for (row, item) in zip(component.rows, numbers) {
        let name = Comment(rawValue: "\(component.name), \(item.line)")
        #expect(row.call.name == item["call"]?.string && row.output == item["output"]?.string, name)
        #expect(row.judged.metric.rawValue == item["metric"]?.string, name)
        #expect(row.judged.bound == item["limit"]?.double, name)
        #expect(row.judged.holds == item["holds"]?.bool, name)
        let value = Self.number(item["value"])
        #expect(Self.same(row.judged.value, value), name)
        equal += row.judged.value == value ? 1 : 0
        if row.judged.value.isFinite {
          #expect(row.judged.slice?.family.rawValue == item["slice"]?["family"]?.string, name)
          let index = item["slice"]?["index"]?.array?.compactMap(\.integer)
          #expect(row.judged.slice?.index == index, name)
        }
        compared += 1
      }
    }
    #expect(compared == rows.count { $0["problem"] == nil })
    print("self-test: \(compared) bounds as Python's, \(equal) to the bit")
  }

  private static func number(_ value: JSONValue?) -> Double {
    switch value?.string {
    case "Infinity": .infinity
    case "-Infinity": -.infinity
    default: value?.double ?? .nan
    }
  }

  private static func same(_ found: Double, _ wanted: Double) -> Bool {
    found == wanted || abs(found - wanted) <= 1e-12 * max(1, abs(wanted))
  }

  @Test(arguments: [
    "nothing", "outputs of components", "gates that nothing meets",
    "a velocity that is not finite", "a velocity of another shape", "input timestep of dit",
    "output of solver",
  ]) func numbersAndVerdictArePythons(_ name: String) async throws {
    let (bundle, content) = try verdict(name)
    try await compare(report(bundle, engine()), content)
  }

  @Test func aDamagedTraceIsRefusedAsPythonRefusesIt() async throws {
    let (bundle, content) = try verdict("no runs")
    #expect(content["exit"] == 2)
    let engine = try await engine()
    let error = await failure { try await report(bundle, engine) }
    #expect(error?.kind == .bundle)
    await engine.close()
  }

  @Test func whatDivergesFirstIsThatOfThePipeline() async throws {
    let report = try await report(verdict("outputs of components").bundle, engine())
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
    let test = SelfTest(
      bundle: bundle, engine: engine, machine: JSONObject([("model", "here")]),
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
    #expect(count <= 5)  // one to load, three calls, and the one that was on its way
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
}

private actor Noted {
  private(set) var events: [SelfTestEvent] = []
  func add(_ event: SelfTestEvent) { events.append(event) }
}
