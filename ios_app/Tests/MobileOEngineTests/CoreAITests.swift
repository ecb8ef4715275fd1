import Foundation
import MobileO
import Testing

@testable import MobileOEngine

/// A bundle for Core AI on an engine: what its functions are given, what is refused, and who is named.
@Suite struct CoreAITests {
  /// The very arrays that Python's session gives them, bit for bit and in its order, and what it makes of
  /// what they give: on numbers of Apple's runtime, and over more positions than a block of the cache.
  @Test(arguments: [0, 1]) func functionsAreGivenWhatPythonGivesThem(_ place: Int) async throws {
    let corpus = try AssetCorpus()
    let recorded = corpus.sessions[place]
    let bench = try await AssetBench(corpus)
    if recorded.name == "recorded" {
      bench.core.set { state in
        state.answer = { number in
          var made: [String: Tensor] = [:]
          for (name, _) in recorded.calls[number]["outputs"]?.object?.members ?? [] {
            made[name] = try corpus.arrays.floats("\(number).\(name)")
          }
          return made
        }
      }
    }
    let session = try await bench.engine.languageModel()
    for act in recorded.acts {
      let made = try await Self.follow(act, session, bench.manifest)
      #expect(made.mapValues(\.described) == act["made"]?.byName, "\(act.line)")
    }
    let calls = bench.core.now.calls
    #expect(calls.map(\.function) == recorded.calls.map { $0["function"]?.string })
    for (call, expected) in zip(calls, recorded.calls) {
      #expect(call.inputs.mapValues(\.described) == expected["inputs"]?.byName)
    }
    #expect(calls.count == recorded.calls.count && calls.count > 8)
    await session.close()
    await bench.engine.closeAll()
    #expect(bench.core.now.loaded == [])
  }

  private static func follow(
    _ act: JSONValue, _ session: any LanguageModelSession, _ manifest: Manifest
  ) async throws -> [String: Tensor] {
    let ids = (act["prefill"] ?? act["run"] ?? act["extend"])?.array?.compactMap(\.integer) ?? []
    let tensor = Tensor(shape: [1, ids.count], .int32(ids.map(Int32.init)))
    var features: Tensor?
    if let seed = act["image"]?.integer {
      let shape = try manifest.component("llm").inputs[1].shape.map(\.largest)
      let values = Noise.normal(seed: UInt64(seed), count: shape.reduce(1, *))
      features = Tensor(shape: shape, .float32(values))
    }
    if act["run"] != nil {
      var inputs = ["input_ids": tensor]
      inputs["image_features"] = features
      return try await session.run(inputs)
    }
    if act["prefill"] != nil {
      return ["logits": try await session.prefill(tensor, imageFeatures: features)]
    }
    if act["extend"] != nil { return ["logits": try await session.extend(tensor)] }
    return ["logits": try await session.step(try #require(act["step"]?.integer))]
  }

  @Test func everyTaskRunsAndEveryResultSaysOnWhat() async throws {
    let bench = try await AssetBench(AssetCorpus(), coreAI: .cpuOnly)
    let names = PipelineTask.edit(guided: true).components
    var drawn: DrawnPicture?
    for try await event in bench.model.edit(
      Bench.photo, "make it blue", steps: 2, guidance: 2, seed: 7)
    {
      if case .picture(let picture) = event { drawn = picture }
    }
    let picture = try #require(drawn)
    #expect(
      picture.runtimes == Dictionary(uniqueKeysWithValues: names.map { ($0, "coreai cpu_only") }))
    let texts = picture.texts(prompt: "make it blue", bundle: bench.manifest)
    let said = try JSONReader.document(
      Array((texts.first { $0.key == "runtimes" }?.text ?? "").utf8))
    #expect(said["dit"] == "coreai cpu_only" && said.object?.members.count == 5)
    let how = try Sampling(bench.model.recipe, maxNewTokens: 3)
    #expect(try await bench.model.ask(Bench.photo, "what is it?", how).ids.isEmpty == false)
    #expect(try await bench.model.chat(["hello"], how).ids.isEmpty == false)
    let options = bench.core.now.options
    #expect(options.count == 5 && options.values.allSatisfy { $0.units == .cpuOnly })
    #expect(options["model.aimodel"]?.reshapesOften == true)
    #expect(options["transformer.aimodel"]?.reshapesOften == false)
    let order = bench.core.now.calls.map { "\($0.asset) \($0.function)" }
    #expect(
      order.prefix(11) == [
        "vision_encoder.aimodel main", "model.aimodel embed", "model.aimodel projector",
        "model.aimodel main", "connector.aimodel main", "connector.aimodel main",
        "transformer.aimodel main", "transformer.aimodel main", "transformer.aimodel main",
        "transformer.aimodel main", "vae_decoder.aimodel main",
      ])
    for name in names {
      #expect(
        try await bench.engine.runtime(of: name) == ComponentRuntime("coreai cpu_only", .device))
    }
  }

  @Test func allFiveArePreparedOneByOne() async throws {
    let bench = try await AssetBench(AssetCorpus())
    let names = PipelineTask.edit(guided: true).components
    #expect(DeviceEngine.preparedComponents(of: bench.manifest) == names)
    #expect(DeviceEngine.coreMLComponents(of: bench.manifest) == [])
    var ready: [String] = []
    for try await event in bench.engine.prewarm() {
      if case .ready(let name, let model) = event {
        ready.append(name)
        #expect(model == nil)
      }
      if case .began = event { #expect(bench.core.now.loaded == []) }
    }
    #expect(ready == names && bench.core.now.loaded == [])
    #expect(try await bench.engine.computePlan().isEmpty)
  }

  /// A language model's keys and values come and go with every call.
  @Test func memoryIsPlannedWithWhatCrossesItsBorders() async throws {
    let corpus = try AssetCorpus()
    let bench = try await AssetBench(corpus)
    let without = try await AssetBench(corpus) { manifest in
      Self.changing(manifest, "llm") { $0.replacing("graphs") { _ in [] } }
    }
    let (sizes, others) = (Footprint.of(bench.manifest), Footprint.of(without.manifest))
    let main = try #require(bench.manifest.components["llm"]?.artifacts.first?.graphs.last)
    let cache = main.inputs.filter { $0.name.hasPrefix("past_") }.reduce(0) { sum, item in
      sum + item.shape.reduce(4) { $0 * $1.largest }
    }
    let (more, less) = (try #require(sizes["llm"]), try #require(others["llm"]))
    #expect(cache > 1 << 20 && more.activations > less.activations + cache)
    #expect(more.weights == less.weights && sizes["dit"] == others["dit"])
    let small = try await AssetBench(corpus, limit: more.activations - 1)
    let error = await failing { _ = try await small.model.chat(["hello"]) }
    #expect(error?.kind == .memory && error?.message.contains("llm") == true)
    #expect(small.core.now.options.isEmpty, "nothing was loaded")
  }

  // MARK: Refusals

  /// Off by default, and never where the system is too old or has none.
  @Test func whatIsNotThereOrNotChosenIsRefusedByName() async throws {
    let corpus = try AssetCorpus()
    for (units, release, kind, words) in [
      (nil, [27, 0, 0], MobileOError.Kind.off, "is off; turn it on"),
      (.all, [26, 4, 1], .usage, "this system's release is 26.4.1"),
      (nil, [26, 4, 1], .usage, "Core AI of iOS or macOS 27.0"),
      (.all, [], .usage, "release is unknown"),
    ] as [(CoreAIUnits?, [Int], MobileOError.Kind, String)] {
      let bench = try await AssetBench(corpus, coreAI: units, release: release)
      for name in ["dit", "llm"] {
        let error = await failing {
          _ =
            name == "llm"
            ? try await bench.engine.languageModel() : try await bench.engine.session(name)
        }
        #expect(error?.kind == kind && error?.message.hasPrefix(name) == true)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "none")")
      }
      #expect(bench.core.now.options.isEmpty)
    }
    #expect(DeviceSettings().coreAI == nil)
    let later = try await AssetBench(corpus) { manifest in
      Self.changing(manifest, "dit") { artifact in
        artifact.replacing("options") { $0.replacing("minimum_os") { _ in "27.2" } }
      }
    }
    let error = await failing { _ = try await later.engine.session("dit") }
    #expect(error?.kind == .usage && error?.message.contains("27.2") == true)
  }

  /// Core ML's and MLX's forms of a component come first.
  @Test func aBundleWithAnotherFormTakesThat() async throws {
    let bench = try await AssetBench(AssetCorpus()) { manifest in
      Self.changing(manifest, "dit") { $0.replacing("kind") { _ in "mlx" } }
    }
    #expect(try await bench.engine.runtime(of: "dit").name == "mlx")
    #expect(!DeviceEngine.preparedComponents(of: bench.manifest).contains("dit"))
  }

  struct Damage: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let component: String
    let words: String
    let change: @Sendable (AssetBench) throws -> Void

    init(
      _ name: String, _ component: String, _ words: String,
      _ change: @escaping @Sendable (AssetBench) throws -> Void
    ) {
      (testDescription, self.component, self.words, self.change) = (name, component, words, change)
    }

    /// What an asset says of one of its functions.
    static func says(
      _ name: String, _ component: String, _ asset: String, of function: String = "main",
      _ words: String, _ change: @escaping @Sendable (inout [String: ModelFeature]) -> Void
    ) -> Damage {
      Damage(name, component, words) { bench in
        var functions = try #require(bench.core.now.functions[asset])
        let old = try #require(functions[function])
        var all = old.inputs.merging(old.outputs) { $1 }
        change(&all)
        functions[function] = AssetFunction(
          inputs: all.filter { old.outputs[$0.key] == nil },
          outputs: all.filter { old.outputs[$0.key] != nil })
        let changed = functions
        bench.core.set { $0.functions[asset] = changed }
      }
    }

    static func file(_ name: String, _ words: String, _ bytes: [UInt8]?) -> Damage {
      Damage("\(name) \(bytes == nil ? "missing" : "changed")", "dit", words) { bench in
        let path = bench.bundle.path + "/transformer.aimodel/" + name
        try FileManager.default.removeItem(atPath: path)
        if let bytes { try Files.write(bytes, to: path) }
      }
    }
  }

  static let damages = [
    Damage("no asset", "dit", "transformer.aimodel/main.mlirb: no such file") { bench in
      try FileManager.default.removeItem(atPath: bench.bundle.path + "/transformer.aimodel")
    },
    .file("main.mlirb", "main.mlirb: no such file", nil),
    .file("main.hash", "main.hash: no such file", nil),
    .file("metadata.json", "metadata.json: no such file", nil),
    .file("main.mlirb", "main.mlirb: is no Core AI program", Array("MLIR".utf8)),
    .file("main.mlirb", "main.mlirb: is no Core AI program", []),
    .file("main.mlirb", "is not as it was written", [0x4D, 0x4C, 0xEF, 0x52, 1]),
    .file("main.hash", "is not as it was written", [1, 2, 3]),
    .file("main.hash", "main.hash: 33 bytes", [UInt8](repeating: 0, count: 33)),
    Damage("a link out of the bundle", "dit", "leads outside of what was sealed") { bench in
      let path = bench.bundle.path + "/transformer.aimodel/main.mlirb"
      try FileManager.default.moveItem(atPath: path, toPath: bench.scratch.url.path + "/away")
      try FileManager.default.createSymbolicLink(
        atPath: path, withDestinationPath: bench.scratch.url.path + "/away")
    },
    Damage("no function main", "dit", "has no function main") { bench in
      bench.core.set { $0.functions["transformer.aimodel"] = [:] }
    },
    Damage("no function embed", "llm", "has no function embed") { bench in
      bench.core.set { $0.functions["model.aimodel"] = [:] }
    },
    .says("input missing", "dit", "transformer.aimodel", "function main of the asset takes no tim")
    {
      $0["timestep"] = nil
    },
    .says("input more", "mcp", "connector.aimodel", "takes key_cache, which the manifest does not")
    {
      $0["key_cache"] = ModelFeature(dtype: "a state", shape: .unknown)
    },
    .says("half precision", "dit", "transformer.aimodel", "takes latent as float16") {
      $0["latent"] = ModelFeature(dtype: "float16", shape: .fixed([1, 8, 8, 8]))
    },
    .says("no array", "vae_decoder", "vae_decoder.aimodel", "gives image as no array") {
      $0["image"] = ModelFeature(dtype: "no array", shape: .unknown)
    },
    .says("another size", "dit", "transformer.aimodel", "takes latent as [1, 8, 8, 9]") {
      $0["latent"] = ModelFeature(dtype: "float32", shape: .fixed([1, 8, 8, 9]))
    },
    .says("a fixed length", "llm", "model.aimodel", "takes position_ids as [1, 1]") {
      $0["position_ids"] = ModelFeature(dtype: "int32", shape: .fixed([1, 1]))
    },
    .says("another width", "llm", "model.aimodel", of: "embed", "gives embeddings as [1, any, 64]")
    {
      $0["embeddings"] = ModelFeature(
        dtype: "float32", shape: .ranges([1...1, 1...Int.max, 64...64]))
    },
  ]

  @Test(arguments: damages) func whatIsDamagedIsNamedInOneLine(_ damage: Damage) async throws {
    let bench = try await AssetBench(AssetCorpus())
    try damage.change(bench)
    let error = await failing {
      _ =
        damage.component == "llm"
        ? try await bench.engine.languageModel() : try await bench.engine.session(damage.component)
    }
    #expect(error?.kind == .bundle)
    #expect(error?.description.contains(damage.words) == true, "\(error?.description ?? "none")")
    #expect(error?.description.contains("\n") == false && bench.core.now.loaded == [])
  }

  /// By the manifest alone, before anything is loaded.
  @Test(
    arguments: [
      ("embed", "name", JSONValue.string("embedding"), "lists no function embed"),
      ("main", "path", .string("other.aimodel"), "functions outside of its asset"),
      ("main", "inputs", nil, "no cache in and out of function main"),
    ] as [(String, String, JSONValue?, String)])
  func aManifestOfAnotherDecoderIsRefused(
    _ name: String, _ key: String, _ value: JSONValue?, _ words: String
  ) async throws {
    let bench = try await AssetBench(AssetCorpus()) { manifest in
      Self.changing(manifest, "llm") { artifact in
        artifact.replacing("graphs") { graphs in
          .array(
            (graphs.array ?? []).map { graph in
              guard graph["name"]?.string == name else { return graph }
              return graph.replacing(key) { value ?? .array($0.array?.dropLast() ?? []) }
            })
        }
      }
    }
    let error = await failing { _ = try await bench.engine.languageModel() }
    #expect(error?.kind == .bundle && error?.message.contains(words) == true)
    #expect(bench.core.now.options.isEmpty)
  }

  @Test func whatCoreAISaysIsPassedOn() async throws {
    let bench = try await AssetBench(AssetCorpus())
    bench.core.set { $0.broken = ["transformer.aimodel"] }
    let loading = await failing { _ = try await bench.engine.session("dit") }
    #expect(loading?.kind == .session && loading?.message.contains("it is no model") == true)
    let session = try await bench.engine.languageModel()
    let ids = Tensor(shape: [1, 2], .int32([1, 2]))
    let early = await failing { _ = try await session.step(1) }
    #expect(early?.message.contains("has read nothing yet") == true)
    _ = try await session.prefill(ids, imageFeatures: nil)
    bench.core.set { $0.failing = ["main"] }
    let running = await failing { _ = try await session.step(1) }
    #expect(running?.kind == .session && running?.message.contains("the GPU is gone") == true)
    bench.core.set { state in
      state.failing = []
      state.answer = { _ in ["embeddings": ramp([1, 1, 4], 0)] }
    }
    let misshapen = await failing { _ = try await session.step(1) }
    #expect(misshapen?.message.contains("gave embeddings as float32 [1, 1, 4]") == true)
    // What was read before stays, as long as the session is open.
    bench.core.set { $0.answer = nil }
    _ = try await session.step(1)
    #expect(
      bench.core.now.calls.last?.inputs["position_ids"] == Tensor(shape: [1, 1], .int32([2])))
    await session.close()
    let closed = await failing { _ = try await session.step(1) }
    #expect(closed?.message.contains("closed") == true)
  }

  @Test func coreAIItselfIsAskedWhereItIsNeeded() {
    // A stand-in here: that it is made is all that can be seen.
    #expect(throws: Never.self) { try SystemCoreAI.runtime() }
  }

  private static func changing(
    _ manifest: JSONValue, _ name: String, _ change: (JSONValue) -> JSONValue
  ) -> JSONValue {
    manifest.replacing("components") { components in
      components.replacingEach { key, component in
        guard key == name else { return component }
        return component.replacing("artifacts") { .array(($0.array ?? []).map(change)) }
      }
    }
  }
}
