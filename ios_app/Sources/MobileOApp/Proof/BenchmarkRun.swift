import Foundation
import MobileO

/// One benchmark on a device: cold and warm loads, then the pipelines, with what the device says of
/// itself before, meanwhile and behind.
struct BenchmarkRun: Sendable {
  let benchmark: PipelineBenchmark
  let engine: AppEngine
  let device: Device

  /// Measures on `gated`, the engine behind the gate.
  @MainActor func report(
    _ model: MobileO, _ gated: any Engine, loaded: @escaping @Sendable (LoadFootprint) -> Void,
    tell: @MainActor (_ stage: String, _ done: Int, _ count: Int) -> Void
  ) async throws -> BenchmarkReport {
    let before = reading()
    let metered = MeteredEngine(gated, device, loaded: loaded)
    let names = PipelineTask.edit(guided: true).components.filter {
      model.manifest.components[$0] != nil
    }
    let runs = 1 + benchmark.warmups + benchmark.runs
    let count = names.count + runs
    var measurements: [BenchmarkMeasurement] = []
    for (place, name) in names.enumerated() {
      tell(name, place, count)
      measurements += try await loads(of: name, on: metered)
    }
    await engine.release()
    let timed = TimedEngine(metered)
    tell("pipelines", names.count, count)
    measurements += try await benchmark.measure(model.on(timed), timed) { done, _ in
      tell("pipelines", names.count + done, count)
    }
    let plan = try await computePlan(names)
    let runtimes = try await model.runtimes(of: .edit(guided: true)).filter {
      names.contains($0.key)
    }
    let extremes = metered.extremes
    return BenchmarkReport(
      program: ("MobileO app", Release.version), runtime: engine.runtime, manifest: model.manifest,
      machine: JSONObject(device.machine().members + (plan.map { [("compute_plan", $0)] } ?? [])),
      settings: JSONObject(benchmark.settings.members + [("runtimes", runtimes.json)]),
      measurements: measurements,
      telemetry: JSONObject([
        ("before", before), ("after", reading()),
        ("peak_footprint_mb", Self.megabytes(extremes.footprint)),
        ("least_headroom_mb", Self.megabytes(extremes.headroom)),
      ]))
  }

  /// The first load after everything was released, and the one right behind it.
  private func loads(of name: String, on metered: MeteredEngine) async throws
    -> [BenchmarkMeasurement]
  {
    await engine.release()
    var found: [BenchmarkMeasurement] = []
    for (kind, words) in [
      ("cold", "First load of \(name) after all components were released"),
      ("warm", "Load of \(name) right after it was loaded and released"),
    ] {
      let started = ContinuousClock.now
      let session: any Session =
        name == "llm" ? try await metered.languageModel() : try await metered.session(name)
      let seconds = started.duration(to: .now) / .seconds(1)
      await session.close()
      await engine.release()
      found.append(
        try BenchmarkMeasurement("load_\(kind)_\(name)", .seconds, words, values: [seconds]))
    }
    return found
  }

  private func computePlan(_ names: [String]) async throws -> JSONValue? {
    var plans: [(key: String, value: JSONValue)] = []
    for name in names {
      if let plan = try await device.computePlan(name) { plans.append((name, plan)) }
    }
    return plans.isEmpty ? nil : .object(JSONObject(plans))
  }

  /// What the device says now.
  private func reading() -> JSONValue {
    [
      "thermal_state": device.heat().map { .string($0.rawValue) } ?? .null,
      "battery": device.battery().map { .number($0) } ?? .null,
      "low_power_mode": device.isLowPower().map { .bool($0) } ?? .null,
      "footprint_mb": Self.megabytes(device.footprint()),
      "headroom_mb": Self.megabytes(device.headroom()),
    ]
  }

  /// Of 1024² bytes, as the reports of boards have it.
  private static func megabytes(_ bytes: Int?) -> JSONValue {
    bytes.map { .number((Double($0) / 1048576 * 10).rounded() / 10) } ?? .null
  }
}
