import Foundation
import MobileO
import Testing

@Suite struct BenchmarkTests {
  @Test(arguments: Goldens.all) func summariesAreThoseOfPython(_ set: Goldens) throws {
    let cases = try set.json("measurements.json").array ?? []
    for item in cases {
      let expected = item["json"] ?? .null
      let made = try Self.measurement(expected)
      let name = made.name
      #expect(made.json == Self.numbers(expected), "\(name)")
      #expect(made.text == item["text"]?.string, "\(name)")
      let exact = [made.mean, made.deviation, made.median, made.p95]
      #expect(exact == (item["exact"]?.array ?? []).map(\.double), "\(name)")
      for pair in item["quantiles"]?.array ?? [] {
        let share = try #require(pair.array?.first?.double)
        #expect(made.quantile(share) == pair.array?.last?.double, "\(name) at \(share)")
      }
    }
    #expect(cases.count >= (set.isSweep ? 299 : 9))
    set.report(cases.count, "measurements summarized, equal to the bit")
  }

  /// What the published form of a measurement says.
  private static func measurement(_ json: JSONValue) throws -> BenchmarkMeasurement {
    let published = try json["published"]?.object.map { found in
      BenchmarkMeasurement.Published(
        mean: try #require(found["mean"]?.double), deviation: found["deviation"]?.double,
        source: found["source"]?.string ?? "")
    }
    let unit = BenchmarkMeasurement.Unit(rawValue: json["unit"]?.string ?? "")
    return try BenchmarkMeasurement(
      json["name"]?.string ?? "", #require(unit),
      json["definition"]?.string ?? "", values: json["values"]?.doubles ?? [],
      warmups: json["warmups"]?.integer ?? 0, published: published)
  }

  /// The same with every number a float, as Swift writes them; counts are whole.
  private static func numbers(_ value: JSONValue) -> JSONValue {
    switch value {
    case .integer(let number): .number(Double(number))
    case .array(let items): .array(items.map(numbers))
    case .object(let object):
      .object(
        JSONObject(
          object.members.map { ($0.key, $0.key == "warmups" ? $0.value : numbers($0.value)) }))
    default: value
    }
  }

  @Test func whatCannotBeMeasuredIsRefused() {
    for values in [[], [-1], [.nan], [.infinity, 1]] as [[Double]] {
      let error = failure { try BenchmarkMeasurement("a", .seconds, "", values: values) }
      #expect(error?.kind == .usage)
    }
    #expect(
      failure { try BenchmarkMeasurement("a", .seconds, "", values: [1], warmups: -1) } != nil)
  }

  @Test func runsBehindTheWarmUpsCount() async throws {
    var (calls, told) = (0, [Int]())
    let own = try await measure(
      runs: 3, warmups: 2, done: { run, of in told.append(run * 10 + of) }
    ) {
      calls += 1
      return Double(calls)
    }
    #expect(own == [3, 4, 5] && told == [15, 25, 35, 45, 55])
    let timed = try await measure(runs: 2, warmups: 0) {
      try await Task.sleep(for: .milliseconds(20))
      return nil
    }
    #expect(timed.count == 2 && timed.allSatisfy { $0 >= 0.02 })
    let task = Task { try await measure(runs: .max / 4, warmups: 0) { nil } }
    task.cancel()
    await #expect(throws: CancellationError.self) { _ = try await task.value }
  }

  @Test(.enabled(if: Goldens.bundle != nil, Goldens.noBundle))
  func aReportIsOfThePublishedForm() throws {
    let manifest = try Manifest(folder: #require(Goldens.bundle))
    let latency = try BenchmarkMeasurement(
      "dit_step", .milliseconds, "One step.", values: [3, 1, 2])
    let report = BenchmarkReport(
      program: ("mobileo", "0.1.0"), runtime: "host", manifest: manifest,
      machine: JSONObject([("model", "x86_64")]), settings: JSONObject([("runs", 3)]),
      measurements: [latency], notes: ["nothing else ran"])
    let schema = try Files.read(Goldens.root + "/mobileo_export/bench/results.schema.json")
    let check = try SchemaCheck(String(decoding: schema, as: UTF8.self))
    #expect(check.problem(report.json, whole: "the report") == nil)
    #expect(report.json["bundle"]?["manifest_sha256"]?.string == manifest.identity)
    #expect(report.json["bundle"]?["precision"]?["dit"] == "float32")
    let text = report.json.text
    #expect(try JSONReader.document(Array(text.utf8))["measurements"]?.array?.count == 1)
    let bad = JSONValue.object(JSONObject([("format", "mobileo-bench")]))
    #expect(check.problem(bad, whole: "the report") != nil)
  }
}
