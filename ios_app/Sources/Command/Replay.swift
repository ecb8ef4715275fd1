import Foundation
import MobileO
import MobileOHost

/// `mobileo replay`: does this package, or an engine under it, compute what was recorded?
enum Replay: Command {
  static let name = "replay"
  static let summary = "Replay the golden trace of a bundle, stage by stage."
  static let usage = "BUNDLE"
  static let details = """
    The seal is checked first. Then every recorded step that needs no weights is computed anew from
    its recorded inputs, and each pipeline is run from its texts to its end with the recorded outputs
    of the components. With --host the components really run too, each recorded call of them, on
    mobileo-export serve, which has to serve the same bundle, and on a Mac with --device on Core ML and
    MLX, or Core AI; what they give is held to the gates that the trace carries. Exit code 1 when a gate fails.
    """
  static let options =
    [
      Arguments.Option(
        "--output", "-o", value: "FILE", help: ".json to write the report of components to.")
    ] + OnDevice.options + Serving.options
  static let elsewhere = Serving.elsewhere.merging(OnDevice.elsewhere) { $1 }

  static func run(_ arguments: Arguments) async throws {
    let folder = try single(arguments, "BUNDLE")
    let onDevice = arguments.has("--device")
    if onDevice, let other = ["--host", "--token"].first(where: arguments.has) {
      throw MobileOError(.usage, "\(other) does not go with --device: choose one of the two")
    }
    if !onDevice, arguments.has("--core-ai") {
      throw MobileOError(.usage, "--core-ai goes with --device: elsewhere a server chooses")
    }
    guard onDevice || Serving.isNamed(arguments) else {
      for option in ["--token", "--output"] where arguments.has(option) {
        throw MobileOError(
          .usage,
          "\(option) goes with --host: without it no component runs, and there is no report of any")
      }
      return try await Verify.check(folder, replay: true, json: arguments.has("--json"))
    }
    let output = arguments.value("--output")
    if let output { try Places.check(output, "json") }
    let isJSON = arguments.has("--json")
    _ = try Verify.seal(folder, Manifest(folder: folder), json: isJSON)
    let isQuiet = isJSON || arguments.has("--quiet")
    let report =
      onDevice
      ? try await OnDevice.run(folder, arguments) { try await tested(folder, $0, isQuiet) }
      : try await Serving.run(folder, arguments) { try await tested(folder, $1, isQuiet) }
    if let output { try Files.write(Array((report.json.text + "\n").utf8), to: output) }
    if isJSON { Output.json(report.json) } else { show(report) }
    if !report.passed { throw Verify.failure(folder, report.failures.count) }
  }

  /// The report of a test, after its progress was shown.
  private static func tested(
    _ folder: String, _ engine: any Engine, _ isQuiet: Bool
  ) async throws -> SelfTestReport {
    let test = SelfTest(
      bundle: URL(fileURLWithPath: folder), engine: engine, program: ("mobileo", Release.version),
      machine: Serving.machine)
    var display = ProgressDisplay(quiet: isQuiet)
    defer { display.end() }
    for try await event in test.run() {
      switch event {
      case .loading(let component): display.stage(component, "replaying")
      case .calling(_, let done, let total): display.step(done, of: total, "replaying, call")
      case .checking: display.stage("pipelines", "replaying")
      case .report(let report): return report
      case .loaded, .row, .problem: break
      }
    }
    throw CancellationError()
  }

  private static func show(_ report: SelfTestReport) {
    for component in report.components {
      let gates = component.runtime.executor.rawValue
      let ran = "\(component.name) on \(component.runtime.name): \(component.calls) calls"
      let nearest = component.worst.max { $0.judged.strain < $1.judged.strain }.map { row in
        "; nearest to its bound is \(row.judged.metric.rawValue) \(row.judged.valueText) of "
          + "\(row.judged.boundText) in \(row.call.name)"
      }
      let verdict = component.passed ? "within the \(gates) gates" : "not as recorded"
      Output.line(printable("\(ran), \(verdict)\(nearest ?? "")"))
    }
    let same = report.checks.count { $0.problem == nil }
    Output.line(
      "of \(report.checks.count) steps, small parts and pipelines \(same) are as recorded")
    for failure in report.failures { Output.error(failure) }
    if let first = report.firstDivergence {
      Output.line(printable("first divergence: \(first.failure)"))
    }
  }
}
