import Foundation
import MobileO
import MobileOApp
import Testing

/// Every state of a self-test or a benchmark under every event.
@Suite struct TrialStateTests {
  private typealias State = TrialState<String>

  private static let states: [(String, State)] = [
    ("idle", .idle), ("running", .running(TrialProgress())),
    ("stopping", .stopping(TrialProgress(), .stopped)), ("finished", .finished("report")),
    ("stopped", .stopped(TrialProgress(), .away)), ("failed", .failed("no")),
  ]

  private static let events: [(String, State.Event)] = [
    ("begin", .begin), ("progress", .progress(TrialProgress())), ("stop", .stop(.away)),
    ("done", .done("report")), ("ended", .ended(.away)), ("failed", .failed("no")),
  ]

  /// What is not here cannot happen.
  private static let table: [String: [String: String]] = [
    "idle": ["begin": "running"],
    "running": [
      "progress": "running", "stop": "stopping", "done": "finished", "ended": "stopped",
      "failed": "failed",
    ],
    "stopping": [
      "progress": "stopping", "done": "finished", "ended": "stopped", "failed": "failed",
    ],
    "finished": ["begin": "running"], "stopped": ["begin": "running"],
    "failed": ["begin": "running"],
  ]

  private static func name(_ state: State?) -> String? {
    switch state {
    case nil: nil
    case .idle: "idle"
    case .running: "running"
    case .stopping: "stopping"
    case .finished: "finished"
    case .stopped: "stopped"
    case .failed: "failed"
    }
  }

  @Test func everyTransitionIsThatOfTheTable() {
    for (from, state) in Self.states {
      for (name, event) in Self.events {
        #expect(Self.name(state.after(event)) == Self.table[from]?[name], "\(from), \(name)")
      }
    }
    let stopped = State.running(TrialProgress()).after(.stop(.stopped))?.after(.ended(.away))
    #expect(stopped == .stopped(TrialProgress(), .stopped), "the first reason stands")
  }
}

/// What both need: a studio, a device that says something, and a disk for the reports.
@MainActor struct ProofBench {
  let table: Workbench
  let memory = MemoryDisk()
  let device: Device
  let reports = URL(fileURLWithPath: "/reports")

  init(isRecorded: Bool = true) async throws {
    table = try await Workbench(isRecorded: isRecorded)
    let engine = table.engine
    var device = Device()
    device.footprint = { 1 << 20 + engine.open * 1 << 20 }
    device.headroom = { 8 << 20 - engine.open * 1 << 20 }
    device.heat = { .fair }
    device.battery = { 0.5 }
    device.isLowPower = { false }
    device.machine = { JSONObject([("model", "Toy1,1"), ("system", "ToyOS 1")]) }
    device.computePlan = { ["gpu": 3, "component": .string($0)] }
    self.device = device
  }

  var benchmark: BenchmarkModel {
    let made = BenchmarkModel(
      studio: table.studio, engine: { [table] in AppEngine(table.engine, runtime: "toy") },
      device: device, reports: reports, disk: memory.disk,
      date: { Date(timeIntervalSince1970: 1000) })
    (made.runs, made.tokens, made.steps) = (1, 2, 2)
    return made
  }

  func selfTest(_ tester: SelfTester) -> SelfTestModel {
    SelfTestModel(
      studio: table.studio, bundle: URL(fileURLWithPath: ToyBundle.folder), tester: tester,
      device: device, reports: reports, disk: memory.disk,
      date: { Date(timeIntervalSince1970: 1000) })
  }

  enum Way: CaseIterable, Sendable { case stop, leave, cancelTask }
}

@MainActor @Suite struct BenchmarkModelTests {
  @Test func itMeasuresAndKeepsItsReport() async throws {
    let bench = try await ProofBench()
    let model = bench.benchmark
    #expect(model.obstacle == nil && model.reports.isEmpty)
    await model.run()
    guard case .finished(let report) = model.state else {
      Issue.record("\(model.state)")
      return
    }
    let names = report.measurements.map(\.name)
    for component in ["vision_encoder", "llm", "mcp", "dit", "vae_decoder"] {
      #expect(names.contains("load_cold_\(component)") && names.contains("load_warm_\(component)"))
    }
    for name in ["time_to_first_token", "decode_rate", "dit_step", "image", "prefill"] {
      #expect(names.contains(name), "\(name)")
    }
    let json = report.json
    #expect(json["format"] == "mobileo-bench" && json["runtime"] == "toy")
    #expect(json["settings"]?["runtimes"]?["dit"]?.string == "device")
    #expect(json["machine"]?["model"] == "Toy1,1")
    #expect(json["machine"]?["compute_plan"]?["dit"]?["gpu"] == 3)
    let telemetry = json["telemetry"]
    for end in ["before", "after"] {
      #expect(
        telemetry?[end]?["thermal_state"] == "fair" && telemetry?[end]?["battery"]?.double == 0.5)
      #expect(telemetry?[end]?["low_power_mode"] == false)
      #expect(telemetry?[end]?["footprint_mb"]?.double == 1)
    }
    #expect(telemetry?["peak_footprint_mb"]?.double == 2)
    #expect(telemetry?["least_headroom_mb"]?.double == 7)
    #expect(model.loads.count >= 10 && model.loads.allSatisfy { $0.footprint == 2 << 20 })
    #expect(bench.table.engine.open == 0 && bench.table.memory.content.isEmpty)
    #expect(model.reports.map(\.json.text) == [json.text] && model.notice == nil)
    // Earlier reports are there to compare with, also after the app was ended.
    await model.run()
    #expect(model.reports.count == 2)
    let next = bench.benchmark
    #expect(next.reports.map(\.bytes) == model.reports.map(\.bytes))
    #expect(next.reports.map(\.id) == ["benchmark-1001.json", "benchmark-1000.json"])
    #expect(try JSONReader.document(next.reports[0].bytes)["format"] == "mobileo-bench")
    next.remove("benchmark-1000.json")
    #expect(next.reports.count == 1 && bench.memory.content.count == 1)
  }

  @Test(arguments: ProofBench.Way.allCases) func itStopsAtEveryCall(
    _ way: ProofBench.Way
  ) async throws {
    let whole = try await ProofBench()
    await whole.benchmark.run()
    let count = whole.table.engine.calls.count
    #expect(count > 60)
    // The last call's answer ends it anyway.
    for number in stride(from: 0, to: count - 6, by: 5) {
      let bench = try await ProofBench()
      let (model, studio, engine) = (bench.benchmark, bench.table.studio, bench.table.engine)
      let task = Task { await model.run() }
      engine.onCall { _, now in
        guard now == number else { return }
        await MainActor.run {
          switch way {
          case .stop: model.stop()
          case .leave: studio.sceneChanged(isActive: false)
          case .cancelTask: task.cancel()
          }
        }
      }
      await task.value
      let after = engine.calls.dropFirst(number + 1)
      #expect(after.allSatisfy { $0.hasPrefix("close") }, "\(way) \(number): \(after)")
      guard case .stopped(_, let why) = model.state else {
        Issue.record("\(way) \(number): \(model.state)")
        continue
      }
      #expect(why == (way == .leave ? .away : .stopped) && engine.open == 0)
      #expect(model.reports.isEmpty && studio.occupation == nil)
      studio.sceneChanged(isActive: true)
      #expect(studio.obstacle == nil)
    }
  }

  @Test func nothingElseRunsMeanwhile() async throws {
    let bench = try await ProofBench()
    let (model, studio) = (bench.benchmark, bench.table.studio)
    let left = Box<[String: [UInt8]]>([:])
    let memory = bench.table.memory
    bench.table.engine.onCall { call, _ in
      guard call == "run mcp", left.value.isEmpty else { return }
      left.value = memory.content
      await #expect(throws: MobileOError.self) { try await studio.run(.chat(["a"], seed: 0)) }
      await MainActor.run {
        #expect(studio.obstacle?.contains("benchmark") == true && model.obstacle != nil)
      }
      await model.run()
    }
    await model.run()
    guard case .finished = model.state else {
      Issue.record("\(model.state)")
      return
    }
    let phase = Beacon(path: "beacon", disk: MemoryDisk(left.value).disk).lastDeath()
    #expect(phase?.activity == .benchmark && phase?.component == "mcp")
    // And while something is made it does not begin.
    bench.table.engine.onCall { call, _ in
      guard call == "load llm" else { return }
      await model.run()
      await MainActor.run { #expect(model.notice?.contains("being made") == true) }
    }
    try await studio.run(.chat(["a"], seed: 0))
    #expect(model.reports.count == 1)
  }

  @Test func whatCannotBeMeasuredIsSaid() async throws {
    let bench = try await ProofBench()
    let model = bench.benchmark
    model.steps = 0
    #expect(model.obstacle?.contains("0 steps") == true)
    await model.run()
    #expect(model.state == .idle && model.notice == model.obstacle)
    model.steps = 2
    bench.table.engine.onCall { call, _ in
      if call == "run dit" { throw MobileOError(.memory, "no room") }
    }
    await model.run()
    #expect(model.state == .failed("no room") && model.reports.isEmpty)
    // A report that cannot be kept is shown all the same.
    bench.table.engine.onCall(nil)
    bench.memory.die(at: 0)
    await model.run()
    guard case .finished = model.state else {
      Issue.record("\(model.state)")
      return
    }
    #expect(model.notice != nil && model.reports.isEmpty)
  }
}

@MainActor @Suite struct SelfTestModelTests {
  /// One call of each of two components, over the engine that it is given.
  private static func tester(_ end: SelfTestEvent? = nil, fails: Bool = false) -> SelfTester {
    SelfTester { _, engine, device in
      AsyncThrowingStream { continuation in
        let task = Task {
          do {
            for name in ["dit", "mcp"] {
              continuation.yield(.loading(component: name))
              let session = try await engine.session(name)
              continuation.yield(
                .loaded(.sample(name, footprint: device.footprint())))
              let shape = name == "dit" ? [1, 8, 6] : [1, 2, 8, 3]
              let zeros = Tensor(
                shape: shape, .float32([Float](repeating: 0, count: shape.reduce(1, *))))
              let name = name == "dit" ? "encoder_hidden_states" : "stacked_hidden_states"
              let found = Task { try await session.run([name: zeros]) }
              let result = await found.result
              await session.close()
              _ = try result.get()
            }
            continuation.yield(.checking)
            if fails { throw MobileOError(.bundle, "its golden trace is empty") }
            if let end { continuation.yield(end) }
            continuation.finish()
          } catch {
            continuation.finish(throwing: error)
          }
        }
        continuation.onTermination = { _ in task.cancel() }
      }
    }
  }

  /// What a test of nothing finds.
  private static func report(_ problem: String?) throws -> SelfTestReport {
    .sample(try SealedBundle().manifest, problem: problem)
  }

  @Test func itNeedsATrace() async throws {
    let bench = try await ProofBench(isRecorded: false)
    let model = bench.selfTest(Self.tester())
    #expect(model.obstacle?.contains("mobileo-export record") == true)
    await model.run()
    #expect(model.state == .idle && model.notice == model.obstacle)
    #expect(bench.table.engine.calls.isEmpty)
  }

  @Test func itShowsWhatItFindsAndKeepsItsReport() async throws {
    let bench = try await ProofBench()
    let report = try Self.report("its text is another")
    let model = bench.selfTest(Self.tester(.report(report)))
    let seen = Box<[String]>([])
    bench.table.engine.onCall { call, _ in
      guard call.hasPrefix("run") else { return }
      await eventually { model.loads.count == (call == "run dit" ? 1 : 2) }
      seen.value.append(await model.state.progress?.stage ?? "")
    }
    await model.run()
    #expect(seen.value == ["dit", "mcp"] && model.state == .finished(report))
    #expect(model.loads.map(\.component) == ["dit", "mcp"])
    #expect(model.loads.allSatisfy { $0.footprint == 2 << 20 })
    #expect(model.firstDivergence == "tokenizer 7: its text is another")
    #expect(model.reports.map(\.json.text) == [report.json.text] && model.notice == nil)
    #expect(bench.selfTest(Self.tester()).reports.map(\.bytes) == model.reports.map(\.bytes))
    #expect(model.reports[0].id == "selftest-1000.json")
    #expect(bench.benchmark.reports.isEmpty, "each kind has its own")
    model.remove(model.reports[0].id)
    #expect(model.reports.isEmpty && bench.memory.content.isEmpty)
  }

  @Test(arguments: ProofBench.Way.allCases) func itStopsAtEveryCall(
    _ way: ProofBench.Way
  ) async throws {
    let whole = try await ProofBench()
    let report = try Self.report(nil)
    await whole.selfTest(Self.tester(.report(report))).run()
    let count = whole.table.engine.calls.count
    #expect(count == 6)
    for number in 0..<count {
      let bench = try await ProofBench()
      let (studio, engine) = (bench.table.studio, bench.table.engine)
      let model = bench.selfTest(Self.tester(.report(report)))
      let task = Task { await model.run() }
      engine.onCall { _, now in
        guard now == number else { return }
        await MainActor.run {
          switch way {
          case .stop: model.stop()
          case .leave: studio.sceneChanged(isActive: false)
          case .cancelTask: task.cancel()
          }
        }
      }
      await task.value
      await eventually { engine.open == 0 }
      let after = engine.calls.dropFirst(number + 1)
      #expect(after.allSatisfy { $0.hasPrefix("close") }, "\(way) \(number): \(after)")
      if case .stopped(_, let why) = model.state {
        #expect(why == (way == .leave ? .away : .stopped) && model.reports.isEmpty)
        #expect(number < 4 || way == .cancelTask, "\(way) \(number)")
      } else {
        // The last call ends it; of a task that is cancelled then, the report may be on its way.
        #expect(model.state == .finished(report) && number >= 4, "\(way) \(number)")
      }
      #expect(studio.occupation == nil)
    }
  }

  @Test func whatFailsIsSaid() async throws {
    let bench = try await ProofBench()
    let model = bench.selfTest(Self.tester(fails: true))
    await model.run()
    #expect(model.state == .failed("its golden trace is empty"))
    await bench.selfTest(Self.tester()).run()
    #expect(bench.table.studio.obstacle == nil)
  }
}
