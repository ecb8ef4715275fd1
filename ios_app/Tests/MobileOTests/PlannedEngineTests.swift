import Foundation
import MobileO
import Testing

/// An engine that keeps sessions by the plan, over one that counts.
@Suite struct PlannedEngineTests {
  private static let sizes: [String: Footprint] = [
    "vision_encoder": Footprint(weights: 5, activations: 4),
    "llm": Footprint(weights: 7, activations: 1), "mcp": Footprint(weights: 1, activations: 1),
    "dit": Footprint(weights: 24, activations: 5),
    "vae_decoder": Footprint(weights: 6, activations: 9),
  ]

  private func planned(
    _ counting: CountingEngine, _ policy: MemoryPlan.Policy = .keep,
    patience: Duration = .seconds(1)
  ) -> PlannedEngine {
    PlannedEngine(counting, Self.sizes, policy: policy, patience: patience) { counting.headroom }
  }

  /// What a pipeline asks of its engine.
  private func follow(_ task: PipelineTask, _ engine: PlannedEngine) async throws {
    try await engine.prepare(for: task)
    for component in task.components {
      let session: any Session =
        component == "llm"
        ? try await engine.languageModel() : try await engine.session(component)
      _ = try await session.run([:])
      await session.close()
    }
  }

  @Test func withRoomEverythingStays() async throws {
    let counting = CountingEngine(Self.sizes, total: 60)
    let engine = planned(counting)
    for _ in 0..<3 { try await follow(.edit(guided: true), engine) }
    #expect(counting.loads == ["vision_encoder", "llm", "mcp", "dit", "vae_decoder"])
    #expect(await engine.loaded.count == 5)
    await engine.closeAll()
    #expect(counting.open == 0)
  }

  @Test func turnAfterTurnNothingExceedsTheMemory() async throws {
    let turns: [PipelineTask] = [
      .chat, .draw(guided: true), .draw(guided: true), .ask, .chat, .edit(guided: false), .chat,
    ]
    var counts: [Int] = []
    for total in 29...60 {
      for policy in MemoryPlan.Policy.allCases {
        let counting = CountingEngine(Self.sizes, total: total)
        let engine = planned(counting, policy)
        for turn in turns { try await follow(turn, engine) }
        #expect(counting.most <= total)
        if policy == .keep { counts.append(counting.loads.count) }
        if policy == .drop { #expect(counting.open == 0 && counting.loads.count == 18) }
      }
    }
    #expect(counts.max() == counts.first && counts.last == 5, "\(counts)")
  }

  @Test func withoutRoomItSaysSoBeforeAnythingIsLoaded() async throws {
    let counting = CountingEngine(Self.sizes, total: 28)
    let engine = planned(counting)
    let error = await failing { try await follow(.draw(guided: true), engine) }
    #expect(error?.kind == .memory)
    #expect(error?.description.contains("dit needs 29 B of memory, 28 B are free") == true)
    #expect(counting.loads == [])
    try await follow(.ask, engine)
    let alone = await failing { _ = try await engine.session("dit") }
    #expect(alone?.kind == .memory)
    let unknown = await failing { _ = try await engine.session("other") }
    #expect(unknown?.kind == .bundle)
  }

  @Test func memoryThatComesBackLateIsWaitedFor() async throws {
    let counting = CountingEngine(Self.sizes, total: 30, delay: 3)
    let engine = planned(counting, patience: .seconds(600))  // asked for often, not long
    try await follow(.draw(guided: false), engine)
    #expect(counting.most <= 30)
    let never = CountingEngine(Self.sizes, total: 30, delay: .max)
    let error = await failing {
      try await follow(.draw(guided: false), planned(never, patience: .milliseconds(60)))
    }
    #expect(error?.kind == .memory && never.most <= 30)
  }

  @Test func whatFailedIsLoadedAnew() async throws {
    let counting = CountingEngine(Self.sizes, total: 60)
    let engine = planned(counting)
    let session = try await engine.session("mcp")
    let fail = Tensor(shape: [1], .int32([1]))
    #expect(await failing { _ = try await session.run(["fail": fail]) }?.kind == .session)
    await session.close()
    #expect(counting.open == 0)
    try await follow(.draw(guided: false), engine)
    #expect(counting.loads.filter { $0 == "mcp" }.count == 2)
  }

  @Test func aSessionEndsWithItsLoan() async throws {
    let counting = CountingEngine(Self.sizes, total: 60)
    let engine = planned(counting)
    let first = try await engine.session("mcp")
    await first.close()
    await first.close()
    let second = try await engine.session("mcp")
    #expect(await failing { _ = try await first.run([:]) }?.description.contains("closed") == true)
    await first.close()
    _ = try await second.run([:])
    #expect(counting.loads == ["mcp"])
  }

  @Test func aWarningDropsWhatIsIdleAtOnceAndWhatIsLentWhenItComesBack() async throws {
    let counting = CountingEngine(Self.sizes, total: 60)
    let engine = planned(counting)
    await engine.dropIdle()
    try await follow(.ask, engine)
    #expect(await engine.loaded == ["vision_encoder", "llm"])
    await engine.dropIdle()
    #expect(await engine.loaded == [] && counting.open == 0)

    try await follow(.draw(guided: true), engine)
    try await engine.prepare(for: .draw(guided: true))
    let lent = try await engine.languageModel()
    await engine.dropIdle()  // does not wait for what is lent
    #expect(await engine.loaded == ["llm"] && counting.open == 1)
    _ = try await lent.run([:])
    await lent.close()
    #expect(counting.open == 0)
    let next = try await engine.session("mcp")
    await next.close()
    #expect(await engine.loaded == ["mcp"], "a warning that is over keeps nothing from staying")
  }

  @Test func aWarningWhileAComponentLoadsLeavesItToWhoAskedForIt() async throws {
    let counting = CountingEngine(Self.sizes, total: 60)
    let held = HeldEngine(counting)
    let engine = PlannedEngine(held, Self.sizes) { counting.headroom }
    let asked = Task { try await engine.session("mcp") }
    while held.waiting == 0 { await Task.yield() }
    await engine.dropIdle()
    held.goOn()
    let session = try await asked.value
    _ = try await session.run([:])
    await session.close()
    #expect(await engine.loaded == ["mcp"])
  }

  @Test func whoeverComesSecondWaitsOrIsCancelled() async throws {
    let counting = CountingEngine(Self.sizes, total: 60)
    let engine = planned(counting)
    let first = try await engine.session("mcp")
    let second = Task { try await engine.session("dit") }
    let third = Task { try await engine.session("vae_decoder") }
    try await Task.sleep(for: .milliseconds(30))
    #expect(counting.loads == ["mcp"])
    second.cancel()
    await #expect(throws: CancellationError.self) { _ = try await second.value }
    await first.close()
    _ = try await third.value.run([:])
    #expect(counting.loads == ["mcp", "vae_decoder"])
  }

  @Test(.enabled(if: Goldens.bundle != nil, Goldens.noBundle))
  func pipelinesComeOutTheSame() async throws {
    let folder = try #require(Goldens.bundle)
    let manifest = try Manifest(folder: folder)
    let sizes = Footprint.of(manifest)
    let toy = ToyEngine(manifest: manifest)
    let url = URL(fileURLWithPath: folder)
    let plain = try await MobileO(bundle: url, engine: toy)
    let counting = CountingEngine(sizes, total: 1 << 30, inner: toy)
    let engine = PlannedEngine(counting, sizes) { counting.headroom }
    let model = try await MobileO(bundle: url, engine: engine)
    let how = try Sampling(model.recipe, maxNewTokens: 5)
    for seed in 0..<2 as Range<UInt64> {
      let said = try await model.chat(["hello"], how)
      #expect(try await said == plain.chat(["hello"], how))
      let drawn = try await Self.picture(model, seed)
      #expect(try await drawn == Self.picture(plain, seed))
    }
    #expect(counting.loads == ["llm", "mcp", "dit", "vae_decoder"])
    let small = CountingEngine(sizes, total: 1 << 20, inner: toy)
    let narrow = try await MobileO(
      bundle: url, engine: PlannedEngine(small, sizes) { small.headroom })
    let error = await failing { _ = try await Self.picture(narrow, 0) }
    #expect(error?.kind == .memory && small.loads == [])
  }

  private static func picture(_ model: MobileO, _ seed: UInt64) async throws -> DrawnPicture? {
    for try await case .picture(let drawn) in model.generate("a red circle", steps: 2, seed: seed) {
      return drawn
    }
    return nil
  }
}

/// The error of ours that `body` throws.
func failing(_ body: () async throws -> Void) async -> MobileOError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? MobileOError
  }
}
