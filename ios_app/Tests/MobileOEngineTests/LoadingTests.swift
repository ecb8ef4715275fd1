import Foundation
import MobileO
import Testing

@testable import MobileOEngine

/// How components are loaded, and what is refused.
@Suite struct LoadingTests {
  /// What one thing that a model says is to be, and what the error then names.
  struct Mismatch: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let component: String
    let inputs: @Sendable (inout [String: ModelFeature]) -> Void
    let outputs: @Sendable (inout [String: ModelFeature]) -> Void
    let words: [String]

    init(
      _ name: String, _ component: String, words: [String],
      inputs: @escaping @Sendable (inout [String: ModelFeature]) -> Void = { _ in },
      outputs: @escaping @Sendable (inout [String: ModelFeature]) -> Void = { _ in }
    ) {
      (testDescription, self.component, self.words) = (name, component, words)
      (self.inputs, self.outputs) = (inputs, outputs)
    }
  }

  private static func ranges(_ ranges: ClosedRange<Int>...) -> ModelFeature {
    ModelFeature(dtype: "float32", shape: .ranges(ranges))
  }

  static let mismatches = [
    Mismatch(
      "missing input", "dit", words: ["dit", "takes no timestep"],
      inputs: { $0["timestep"] = nil }),
    Mismatch(
      "more input", "mcp", words: ["mcp", "takes extra, which the manifest does not name"],
      inputs: { $0["extra"] = ranges(1...1) }),
    Mismatch(
      "another name", "dit", words: ["dit", "gives no velocity"],
      outputs: { outputs in
        outputs["var_1279"] = outputs["velocity"]
        outputs["velocity"] = nil
      }),
    Mismatch(
      "more output", "vae_decoder", words: ["vae_decoder", "gives mean"],
      outputs: { $0["mean"] = ranges(1...1) }),
    Mismatch(
      "type of input", "dit", words: ["takes latent as float16", "manifest says float32"],
      inputs: { $0["latent"] = ModelFeature(dtype: "float16", shape: .fixed([1, 4, 4, 4])) }),
    Mismatch(
      "type of output", "vae_decoder", words: ["gives image as no array"],
      outputs: { $0["image"] = ModelFeature(dtype: "no array", shape: .unknown) }),
    Mismatch(
      "fixed size", "dit", words: ["takes latent as [1, 4, 4, 8]", "float32 [1, 4, 4, 4]"],
      inputs: { $0["latent"] = ModelFeature(dtype: "float32", shape: .fixed([1, 4, 4, 8])) }),
    Mismatch(
      "rank", "dit", words: ["takes latent as [1, 4, 16]"],
      inputs: { $0["latent"] = ModelFeature(dtype: "float32", shape: .fixed([1, 4, 16])) }),
    Mismatch(
      "range from above", "dit", words: ["takes encoder_attention_mask as [1, 77…768]", "N=8…768"],
      inputs: { $0["encoder_attention_mask"] = ranges(1...1, 77...768) }),
    Mismatch(
      "range to below", "dit", words: ["takes encoder_attention_mask as [1, 8…512]"],
      inputs: { $0["encoder_attention_mask"] = ranges(1...1, 8...512) }),
    Mismatch(
      "a fixed size where it varies", "mcp",
      words: ["takes stacked_hidden_states as [1, 2, 77, 3]"],
      inputs: {
        $0["stacked_hidden_states"] = ModelFeature(dtype: "float32", shape: .fixed([1, 2, 77, 3]))
      }),
    Mismatch(
      "a few shapes where it varies", "mcp", words: ["[1, 2, 77, 3] or [1, 2, 300, 3]"],
      inputs: {
        $0["stacked_hidden_states"] = ModelFeature(
          dtype: "float32", shape: .choice([[1, 2, 77, 3], [1, 2, 300, 3]]))
      }),
    Mismatch(
      "output of another size", "vision_encoder", words: ["gives image_features as [1, 5, 5]"],
      outputs: { $0["image_features"] = ModelFeature(dtype: "float32", shape: .fixed([1, 5, 5])) }),
  ]

  @Test(arguments: mismatches)
  func whatIsNotAsTheManifestSaysIsRefusedByName(_ mismatch: Mismatch) async throws {
    let bench = try await Bench()
    let component = try bench.manifest.component(mismatch.component)
    bench.core.set { state in
      var (inputs, outputs) = (features(component.inputs), features(component.outputs))
      mismatch.inputs(&inputs)
      mismatch.outputs(&outputs)
      state.inputs[mismatch.component] = inputs
      state.outputs[mismatch.component] = outputs
    }
    let error = await failing { _ = try await bench.engine.session(mismatch.component) }
    #expect(error?.kind == .bundle)
    for words in mismatch.words {
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "none")")
    }
    #expect(bench.phone.loaded == [], "it is let go")
    #expect(bench.heard.events.allSatisfy { if case .fellBack = $0 { false } else { true } })
  }

  @Test func shapesThatSayLessOrMoreAreTaken() async throws {
    let bench = try await Bench()
    bench.core.set { state in
      // Outputs of varying size have none in Core ML; bounds may be wider than the manifest's.
      state.outputs["mcp"] = ["conditioning": ModelFeature(dtype: "float32", shape: .unknown)]
      state.inputs["mcp"] = [
        "stacked_hidden_states": Self.ranges(1...1, 2...2, 1...4096, 3...3)
      ]
      state.inputs["vae_decoder"] = [
        "latent": ModelFeature(dtype: "float32", shape: .choice([[1, 4, 4, 4], [2, 4, 4, 4]]))
      ]
    }
    for name in ["mcp", "vae_decoder"] { await (try bench.engine.session(name)).close() }
  }

  @Test func eachIsLoadedAsTheManifestAndTheUserSay() async throws {
    let bench = try await Bench()
    try await bench.follow(.edit(guided: true))
    #expect(
      bench.core.now.asked == [
        "vision_encoder": LoadOptions(units: .all, function: "main"),
        "mcp": LoadOptions(units: .all, function: "main"),
        "dit": LoadOptions(units: .cpuAndGPU, reshapesRarely: true, function: "main"),
        "vae_decoder": LoadOptions(units: .cpuAndGPU, function: "main"),
      ])
    let chosen = try await Bench(
      settings: DeviceSettings(computeUnits: ["dit": .cpuAndNeuralEngine, "mcp": .cpuOnly]))
    try await chosen.follow(.edit(guided: true))
    #expect(
      chosen.core.now.asked.mapValues(\.units)
        == [
          "vision_encoder": .all, "mcp": .cpuOnly, "dit": .cpuAndNeuralEngine,
          "vae_decoder": .cpuAndGPU,
        ])
    let error = await failing {
      _ = try await Bench(settings: DeviceSettings(computeUnits: ["llm": .all]))
    }
    #expect(error?.kind == .usage && error?.description.contains("'llm'") == true)
  }

  @Test func whatCannotBeLoadedFallsBackAndSaysSo() async throws {
    let bench = try await Bench()
    bench.core.set { $0.broken = ["mcp": [.all, .cpuAndGPU], "dit": [.cpuAndGPU]] }
    try await bench.follow(.draw(guided: true))
    let fallbacks = bench.heard.events.filter { if case .fellBack = $0 { true } else { false } }
    #expect(
      fallbacks == [
        .fellBack("mcp", from: .all, to: .cpuAndGPU, reason: "cannot run on all"),
        .fellBack("mcp", from: .cpuAndGPU, to: .cpuOnly, reason: "cannot run on cpuAndGPU"),
        .fellBack("dit", from: .cpuAndGPU, to: .cpuOnly, reason: "cannot run on cpuAndGPU"),
      ])
    let loaded = bench.heard.events.compactMap { event -> [CoreMLUnits?]? in
      if case .loaded(_, let units, _, _, _) = event { [units] } else { nil }
    }
    #expect(loaded == [[nil], [.cpuOnly], [.cpuOnly], [.cpuAndGPU]])
    #expect(bench.phone.loaded.count == 4)
  }

  @Test func aManifestSaysWhatToFallBackOn() async throws {
    let bench = try await Bench(seal: { manifest in
      manifest.replacing("components") { components in
        components.replacing("mcp") { component in
          component.replacing("artifacts") { artifacts in
            .array(
              (artifacts.array ?? []).map { artifact in
                .object(
                  JSONObject(
                    (artifact.object?.members ?? []) + [
                      (
                        "fallback_compute_units",
                        .array([.string("cpu_and_neural_engine"), .string("cpu_only")])
                      )
                    ]))
              })
          }
        }
      }
    })
    bench.core.set { $0.broken = ["mcp": [.all, .cpuAndNeuralEngine]] }
    try await bench.follow(.draw(guided: true))
    let fallbacks = bench.heard.events.filter { if case .fellBack = $0 { true } else { false } }
    #expect(
      fallbacks == [
        .fellBack("mcp", from: .all, to: .cpuAndNeuralEngine, reason: "cannot run on all"),
        .fellBack(
          "mcp", from: .cpuAndNeuralEngine, to: .cpuOnly,
          reason: "cannot run on cpuAndNeuralEngine"),
      ])
  }

  @Test func fromTheUsersChoiceNothingFallsBack() async throws {
    let settings = DeviceSettings(computeUnits: ["mcp": .cpuAndNeuralEngine])
    let bench = try await Bench(settings: settings)
    bench.core.set { $0.broken = ["mcp": [.cpuAndNeuralEngine]] }
    let error = await failing { _ = try await bench.engine.session("mcp") }
    #expect(error?.kind == .session)
    #expect(error?.description.contains("choose other compute units in the settings") == true)
    #expect(error?.description.contains("cannot run on cpuAndNeuralEngine") == true)
    #expect(bench.heard.events == [.compiling("mcp", .first)])
    let broken = try await Bench()
    broken.core.set { $0.broken = ["mcp": Set(CoreMLUnits.allCases)] }
    let all = await failing { _ = try await broken.engine.session("mcp") }
    #expect(all?.kind == .session)
    for unit in ["all", "cpu_and_gpu", "cpu_only"] {
      #expect(all?.description.contains(unit + ": cannot run on") == true)
    }
    #expect(broken.phone.loaded == [])
  }

  @Test func aBundleForOthersIsRefusedByName() async throws {
    func changed(_ old: String, _ new: JSONValue, in key: String) -> (JSONValue) -> JSONValue {
      { manifest in
        manifest.replacing("components") { components in
          components.replacingEach { name, component in
            name != old
              ? component
              : component.replacing("artifacts") { artifacts in
                .array(
                  (artifacts.array ?? []).map { artifact in
                    let others = (artifact.object?.members ?? []).filter { $0.key != key }
                    return .object(JSONObject(others + [(key, new)]))
                  })
              }
          }
        }
      }
    }
    let future = try await Bench(seal: changed("dit", "gpu", in: "compute_units"))
    let units = await failing { _ = try await future.engine.session("dit") }
    #expect(units?.kind == .bundle && units?.description.contains("compute units 'gpu'") == true)
    let board = try await Bench(seal: changed("mcp", "onnx", in: "kind"))
    let kind = await failing { _ = try await board.engine.session("mcp") }
    #expect(kind?.kind == .bundle && kind?.description.contains("mcp is onnx") == true)
    let text = try await Bench(seal: changed("llm", "onnx", in: "kind"))
    let model = await failing { _ = try await text.engine.languageModel() }
    #expect(model?.kind == .bundle && model?.description.contains("llm is onnx") == true)
    let gone = await failing { _ = try await future.engine.session("other") }
    #expect(gone?.kind == .bundle)
  }

  @Test func outputsThatAreNotFiniteAreRefusedOnceByThePipeline() async throws {
    let bench = try await Bench()
    for value in [Float.nan, .infinity] {
      bench.core.set { $0.value["dit"] = value }
      let error = await failing { try await bench.follow(.draw(guided: true)) }
      #expect(error?.kind == .session)
      #expect(
        error?.description.contains("dit gave velocity with values that are not finite") == true)
    }
    #expect(bench.phone.loaded.contains("llm"))
  }

  @Test func aCallThatFailsSaysWhereAndOnWhat() async throws {
    let bench = try await Bench()
    bench.core.set { $0.failing = ["vae_decoder"] }
    let error = await failing { try await bench.follow(.draw(guided: false)) }
    #expect(error?.kind == .session)
    #expect(
      error?.description.contains(
        "vae_decoder: Core ML gave no result on cpu_and_gpu (the GPU is gone)") == true)
    // It is not kept: the next task loads it anew.
    bench.core.set { $0.failing = [] }
    bench.phone.forget()
    try await bench.follow(.draw(guided: false))
    #expect(bench.phone.done.contains(.load("vae_decoder")))
  }

  @Test func aSessionRunsOneCallAtATimeAndNoneAfterItsEnd() async throws {
    let bench = try await Bench()
    let model = try await bench.core.load(
      bench.engine.store.compiled("vae_decoder"), LoadOptions(units: .all))
    let session = ComponentSession(component: "vae_decoder", units: .all, model: model)
    let latent = Tensor(shape: [1, 4, 4, 4], .float32([Float](repeating: 0, count: 64)))
    let inside = Counter()
    bench.phone.onCall { _, _ in
      inside.enter()
      for _ in 0..<20 { await Task.yield() }
      inside.leave()
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { _ = try await session.run(["latent": latent]) } }
      try await group.waitForAll()
    }
    #expect(inside.most == 1)
    await session.close()
    await session.close()
    let error = await failing { _ = try await session.run(["latent": latent]) }
    #expect(error?.description.contains("vae_decoder was closed before") == true)
  }

  @Test func unloadingReallyLetsGo() async throws {
    let bench = try await Bench()
    try await bench.follow(.edit(guided: true))
    #expect(bench.phone.loaded.count == 5)
    await bench.engine.dropIdle()
    #expect(bench.phone.loaded == [])
  }

  @Test func coldAndWarmLoadsAreToldApart() async throws {
    let bench = try await Bench()
    for _ in 0..<2 {
      await (try bench.engine.session("mcp")).close()
      await bench.engine.dropIdle()
    }
    let cold = bench.heard.events.compactMap { event -> Bool? in
      if case .loaded("mcp", .all, _, let isCold, _) = event { isCold } else { nil }
    }
    #expect(cold == [true, false])
    let model = try #require(await bench.engine.store.models["mcp"])
    #expect(model.coldLoadSeconds != nil && model.warmLoadSeconds != nil)
  }

  @Test func everythingIsPreparedOneByOne() async throws {
    let bench = try await Bench()
    var events: [String] = []
    for _ in 0..<2 {
      for try await event in bench.engine.prewarm() {
        switch event {
        case .began(let name, let number, let all, let seconds):
          events.append("\(name) \(number)/\(all) \(seconds == nil ? "new" : "again")")
          #expect(bench.phone.loaded == [])
        case .ready(let name, let model):
          events.append("\(name) \(model?.warmLoadSeconds == nil ? "cold" : "warm")")
        }
      }
    }
    let names = DeviceEngine.coreMLComponents
    let expected = [("new", "cold"), ("again", "warm")].flatMap { before, after in
      names.enumerated().flatMap { ["\($1) \($0 + 1)/4 \(before)", "\($1) \(after)"] }
    }
    #expect(events == expected)
    #expect(bench.phone.done.filter { if case .compile = $0 { true } else { false } }.count == 4)
    #expect(bench.phone.loaded == [])
  }

  @Test func givenUpThePreparationEndsAndKeepsWhatIsDone() async throws {
    let bench = try await Bench()
    for try await event in bench.engine.prewarm() {
      if case .ready = event { break }
    }
    try await Task.sleep(for: .milliseconds(50))
    await bench.engine.closeAll()
    let models = await bench.engine.store.models
    #expect(models.count < 4 && models["vision_encoder"]?.coldLoadSeconds != nil)
    #expect(bench.phone.loaded == [])
  }

  @Test func plansAreSummedUpByDevice() async throws {
    let bench = try await Bench()
    bench.core.set {
      $0.operations = [
        PlannedOperation(name: "const", device: nil, cost: nil),
        PlannedOperation(name: "conv", device: .gpu, cost: 0.5),
        PlannedOperation(name: "linear", device: .gpu, cost: 0.25),
        PlannedOperation(name: "gather", device: .cpu, cost: 0.125),
        PlannedOperation(name: "gather", device: .cpu, cost: nil),
        PlannedOperation(name: "add", device: .neuralEngine, cost: 0.125),
      ]
    }
    let plans = try await bench.engine.computePlan()
    #expect(plans.keys.sorted() == DeviceEngine.coreMLComponents.sorted())
    let plan = try #require(plans["dit"])
    #expect(
      plan.shares == [
        ComputePlanSummary.Share(device: .gpu, operations: 2, cost: 0.75),
        ComputePlanSummary.Share(device: .cpu, operations: 2, cost: 0.125),
        ComputePlanSummary.Share(device: .neuralEngine, operations: 1, cost: 0.125),
      ])
    #expect(plan.elsewhere.map(\.name) == ["gather", "add"] && plan.unplaced == 1)
    #expect(ComputePlanSummary([]).shares == [])
    bench.core.set { $0.failing = ["mcp"] }
    let error = await failing { _ = try await bench.engine.computePlan() }
    #expect(error?.description.contains("mcp: Core ML makes no plan of it (no plan)") == true)
  }
}

/// How many are inside at a time.
final class Counter: @unchecked Sendable {
  private let lock = NSLock()
  private var inside = 0
  private var highest = 0

  func enter() {
    lock.withLock {
      inside += 1
      highest = max(highest, inside)
    }
  }
  func leave() { lock.withLock { inside -= 1 } }
  var most: Int { lock.withLock { highest } }
}
