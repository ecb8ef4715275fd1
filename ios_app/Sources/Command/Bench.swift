import Foundation
import MobileO
import MobileOHost

/// `mobileo bench`: what drawing and answering take.
enum Bench: Command {
  static let name = "bench"
  static let summary = "Measure each stage of drawing and answering, run after run."
  static let usage = "BUNDLE"
  static let details = """
    Each run draws a picture and asks about it. The first finds nothing loaded and stands apart, as
    cold. Definitions stand in the JSON, which has the form of Python's and the board's benchmarks.
    """ + " " + Serving.details
  static let options =
    [
      Arguments.Option("--runs", value: "INTEGER", help: "That count; 10 by default."),
      Arguments.Option(
        "--warmups", value: "INTEGER", help: "Before them, the cold one excepted; 1 by default."),
      Arguments.Option(
        "--tokens", value: "INTEGER", help: "Of an answer, after the first; 64 by default."),
      Arguments.Option(
        "--steps", value: "INTEGER", help: "Of a picture; the recipe's (20) by default."),
      Arguments.Option("--output", "-o", value: "FILE", help: ".json to write."),
    ] + Serving.options
  static let elsewhere = Serving.elsewhere

  static func run(_ arguments: Arguments) async throws {
    let bundle = try single(arguments, "BUNDLE")
    let whole = "a whole number"
    let runs: Int? = try arguments.number("--runs", whole)
    let warmups: Int? = try arguments.number("--warmups", whole)
    let tokens: Int? = try arguments.number("--tokens", whole)
    let steps: Int? = try arguments.number("--steps", "a whole number from 1 to 500")
    let output = arguments.value("--output")
    if let output { try Places.check(output, "json") }
    let manifest = try Manifest(folder: bundle)
    let benchmark = try PipelineBenchmark(
      Drawing(manifest.recipe, steps: steps), runs: runs ?? 10, warmups: warmups ?? 1,
      tokens: tokens ?? 64)
    let isJSON = arguments.has("--json")
    let isQuiet = isJSON || arguments.has("--quiet")
    let report = try await Serving.run(bundle, arguments, keepsComponents: true) { _, host in
      for component in manifest.components.keys { await host.release(component) }
      let engine = TimedEngine(host)
      let model = try await MobileO(bundle: URL(fileURLWithPath: bundle), engine: engine)
      var display = ProgressDisplay(quiet: isQuiet)
      defer { display.end() }
      let found = try await benchmark.measure(model, engine) { display.step($0, of: $1, "run") }
      let runtimes = try await model.runtimes(of: .edit(guided: true))
      return BenchmarkReport(
        program: ("mobileo", Release.version), runtime: "mobileo-export serve", manifest: manifest,
        machine: Serving.machine,
        settings: JSONObject(benchmark.settings.members + [("runtimes", runtimes.json)]),
        measurements: found,
        notes: ["the components ran on mobileo-export serve, with HTTP on the way"])
    }
    if let output { try Files.write(Array((report.json.text + "\n").utf8), to: output) }
    if isJSON {
      Output.json(report.json)
    } else {
      show(report)
    }
    for note in report.notes { Output.warning(note) }
  }

  private static func show(_ report: BenchmarkReport) {
    let rows = report.measurements.map { item in
      let figures = [item.text, item.quantilesText.median, item.quantilesText.p95]
      return [("\(item.name) (\(item.unit.rawValue))", 32)] + figures.map { ($0, 20) }
    }
    let heads = [("measured", 32), ("mean ± deviation", 20), ("median", 20), ("p95", 0)]
    for row in [heads] + rows {
      let line = row.map { Output.padded($0.0, $0.1) }.joined()
      Output.line(String(line.reversed().drop { $0 == " " }.reversed()))
    }
  }
}
