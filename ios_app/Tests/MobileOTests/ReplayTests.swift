import Foundation
import MobileO
import Testing

@Suite(.enabled(if: Goldens.bundle != nil, Goldens.noBundle)) struct ReplayTests {
  private let bundle: String
  private let manifest: Manifest
  private let trace: GoldenTrace

  init() throws {
    bundle = try #require(Goldens.bundle)
    manifest = try Manifest(folder: bundle)
    trace = try GoldenTrace(folder: bundle, manifest: manifest)
  }

  @Test func everythingIsAsRecorded() async throws {
    #expect(try Seal.verify(bundle, manifest).isEmpty)
    let replay = try await GoldenReplay(folder: bundle, manifest: manifest)
    #expect(replay.failures == [])
    #expect(replay.checks.count > 100)
    for run in trace.runNames {
      #expect(replay.checks.contains { $0.name == "\(run), pipeline" })
    }
    print("bundle: \(replay.checks.count) steps, parts and pipelines are as recorded")
  }

  /// Each damage that damages.py did, judged as Python judged it.
  @Test(.enabled(if: damaged != nil, "no damaged bundles here: make test-swift makes them"))
  func damagesAreCaughtAsPythonCatchesThem() async throws {
    let folder = try #require(Self.damaged)
    let all = try Files.json(folder + "/verdicts.json").array ?? []
    let verdicts = all.filter { $0["engine"] == false }  // others take an engine: SelfTestTests
    var caught = 0
    for verdict in verdicts {
      let (code, said) = await Self.judge(folder + "/" + (verdict["folder"]?.string ?? ""))
      let name = verdict["name"]?.string ?? ""
      #expect(code == verdict["exit"]?.integer, "\(name): \(said)")
      #expect(code == 0 || !said.isEmpty)
      caught += code == 0 ? 0 : 1
      print("  \(name): exit \(code) \(said.first ?? "")")
    }
    #expect(caught >= 25)
    print("bundle: \(caught) of \(verdicts.count) damages caught, verdicts as Python's")
  }

  private static let damaged: String? = {
    let folder =
      ProcessInfo.processInfo.environment["MOBILEO_DAMAGES"]
      ?? Goldens.root + "/build/swift/damages"
    return FileManager.default.fileExists(atPath: folder + "/verdicts.json") ? folder : nil
  }()

  /// Exit code of `mobileo replay`, and what it says.
  private static func judge(_ folder: String) async -> (Int, [String]) {
    do {
      let manifest = try Manifest(folder: folder)
      let problems = try Seal.verify(folder, manifest)
      if !problems.isEmpty { return (1, problems.map { "\($0.kind.rawValue) \($0.path)" }) }
      let replay = try await GoldenReplay(folder: folder, manifest: manifest)
      return (replay.holds ? 0 : 1, replay.failures)
    } catch let error as MobileOError {
      return (Int(error.exitCode), [error.description])
    } catch {
      return (-1, ["\(error)"])
    }
  }

  private func model(_ run: String) async throws -> MobileO {
    try await MobileO(
      bundle: URL(fileURLWithPath: bundle), engine: ReplayEngine(trace, run: run))
  }

  private var caption: String { trace.text(of: "generate") }

  @Test func eventsComeInOrder() async throws {
    var seen: [String] = []
    var estimates = 0
    for try await event in try await model("generate").generate(caption, steps: 3, seed: 7) {
      switch event {
      case .stage(let stage): seen.append(stage.rawValue)
      case .step(let step, let steps, let estimate):
        seen.append("\(step)/\(steps)")
        estimates += estimate.shape == manifest.recipe.latent.shape ? 1 : 0
      case .picture(let drawn):
        seen.append("picture")
        let texts = drawn.texts(prompt: caption, bundle: manifest)
        let file = try PNG.texts(PNG.encode(drawn.picture, texts: texts))
        #expect(file["prompt"] == caption && file["seed"] == "7" && file["steps"] == "3")
        #expect(file["guidance"] == "1.5" && file["bundle"]?.count == 64)
        let recipe = try JSONReader.document(Array((file["recipe"] ?? "").utf8))
        #expect(recipe == manifest.content["recipe"])
      }
    }
    #expect(
      seen == ["reading", "conditioning", "drawing", "1/3", "2/3", "3/3", "decoding", "picture"])
    #expect(estimates == 3)
  }

  /// A transformer that takes both branches in one call replays what was recorded branch by branch.
  @Test func rowsAreTheCallsThatTheyWereRecordedAs() async throws {
    let scratch = try Scratch()
    try FileManager.default.copyItem(atPath: bundle + "/llm", toPath: scratch.path + "/llm")
    let batch: JSONValue = ["name": "B", "min": 1, "max": 2, "default": 1]
    func wider(_ tensors: JSONValue) -> JSONValue {
      .array(
        (tensors.array ?? []).map { tensor in
          tensor.replacing("shape") { shape in .array([batch] + (shape.array ?? []).dropFirst()) }
        })
    }
    let changed = manifest.content.replacing("components") { components in
      components.replacing("dit") {
        $0.replacing("inputs", wider).replacing("outputs", wider)
      }
    }
    try Files.write(Array(changed.text.utf8), to: scratch.path + "/manifest.json")
    let engine = try ReplayEngine(trace, run: "generate")
    let together = try await MobileO(
      bundle: URL(fileURLWithPath: scratch.path), engine: engine)
    var pictures: [Picture] = []
    for model in [together, try await model("generate")] {
      let events = model.generate(caption, steps: 3, seed: 7)
      for try await case .picture(let drawn) in events { pictures.append(drawn.picture) }
    }
    #expect(pictures.count == 2 && pictures.first == pictures.last)
    #expect(await engine.remaining == 0)
  }

  @Test func anInputThatIsNotAsRecordedIsNamed() async throws {
    await expectFailure(naming: "input latent") {
      for try await _ in try await model("generate").generate(caption, steps: 3, seed: 8) {}
    }
    await expectFailure(naming: "input input_ids") {
      for try await _ in try await model("generate").generate("something", steps: 3, seed: 7) {}
    }
    await expectFailure(naming: "no more calls") {
      let engine = try ReplayEngine(trace, run: "chat 1")
      let model = try await MobileO(bundle: URL(fileURLWithPath: bundle), engine: engine)
      let how = try Sampling(model.recipe, temperature: 0.8, topP: 0.9, maxNewTokens: 4, seed: 7)
      for _ in 0..<2 { _ = try await model.chat([trace.text(of: "chat 1")], how) }
    }
    await expectFailure(naming: "mcp is called where") {
      _ = try await ReplayEngine(trace, run: "generate").session("mcp").run([:])
    }
    await expectFailure(naming: "no run 'nothing'") { _ = try ReplayEngine(trace, run: "nothing") }
  }

  @Test func numbersOutOfRangeAreRefusedBeforeAnythingRuns() async throws {
    for (steps, guidance) in [(0, 1.5), (501, 1.5), (3, 0.5), (3, 31), (3, .nan)] {
      await expectFailure(naming: "choose") {
        let model = try await model("generate")
        for try await _ in model.generate(caption, steps: steps, guidance: guidance) {}
      }
    }
    await expectFailure(naming: "empty") {
      for try await _ in try await model("generate").generate(" \n") {}
    }
    await expectFailure(naming: "positions") {
      let model = try await model("chat 1")
      _ = try await model.chat(["x"], Sampling(model.recipe, maxNewTokens: 1 << 20))
    }
    await expectFailure(naming: "end it with what the user says") {
      _ = try await model("chat 1").chat(["x", "y"])
    }
  }

  @Test func aCancelledTaskStopsBetweenTwoCalls() async throws {
    let engine = SlowEngine(try ReplayEngine(trace, run: "generate"))
    let model = try await MobileO(bundle: URL(fileURLWithPath: bundle), engine: engine)
    let caption = caption
    let task = Task {
      var pictures = 0
      for try await case .picture in model.generate(caption, steps: 3, seed: 7) { pictures += 1 }
      return pictures
    }
    try await Task.sleep(for: .milliseconds(120))
    task.cancel()
    #expect(try await task.value == 0)
    let made = await engine.calls
    try await Task.sleep(for: .milliseconds(200))
    #expect(await engine.calls <= made + 1)
    var waits = 0
    while await engine.open != 0, waits < 200 {  // a busy machine is slow to close, too
      try await Task.sleep(for: .milliseconds(50))
      waits += 1
    }
    #expect(await engine.open == 0)
  }

  @Test func aBundleOfAnotherNoiseIsRefused() async throws {
    let scratch = try Scratch()
    let text = String(decoding: try Files.read(bundle + "/manifest.json"), as: UTF8.self)
    let other = text.replacingOccurrences(of: Noise.name, with: "torch")
    try Files.write(Array(other.utf8), to: scratch.path + "/manifest.json")
    await expectFailure(naming: "noise is 'torch'") {
      _ = try await MobileO(
        bundle: URL(fileURLWithPath: scratch.path), engine: ReplayEngine(trace, run: "generate"))
    }
  }

  private func expectFailure(
    naming words: String, _ location: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
  ) async {
    do {
      try await body()
      Issue.record("nothing failed", sourceLocation: location)
    } catch {
      let said = (error as? MobileOError)?.description ?? "\(error)"
      #expect(said.contains(words), "\(said)", sourceLocation: location)
    }
  }
}

/// Another engine, slowed down, that counts.
actor SlowEngine: Engine {
  private let engine: any Engine
  private(set) var calls = 0
  private(set) var open = 0

  init(_ engine: any Engine) { self.engine = engine }

  func session(_ component: String) async throws -> any Session {
    open += 1
    return SlowSession(owner: self, session: try await engine.session(component))
  }

  func languageModel() async throws -> any LanguageModelSession {
    open += 1
    return SlowSession(owner: self, session: try await engine.languageModel())
  }

  fileprivate func begin() { calls += 1 }
  fileprivate func end() { open -= 1 }
}

private struct SlowSession: LanguageModelSession {
  let owner: SlowEngine
  let session: any Session

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    await owner.begin()
    // Deaf to cancellation, as a prediction is.
    await Task.detached { try? await Task.sleep(for: .milliseconds(50)) }.value
    return try await session.run(inputs)
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    throw MobileOError(.session, "unused")
  }

  func step(_ token: Int) async throws -> Tensor { throw MobileOError(.session, "unused") }

  func close() async { await owner.end() }
}
