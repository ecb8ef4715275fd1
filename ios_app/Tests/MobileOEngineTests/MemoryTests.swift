import MobileO
import MobileOEngine
import Testing

/// Every task on every phone: what is loaded when, and never more than there is.
@Suite struct MemoryTests {
  static let tasks: [PipelineTask] = [
    .chat, .ask, .draw(guided: true), .draw(guided: false), .edit(guided: true),
    .edit(guided: false),
  ]

  /// One of each kind, where every call is a case of its own.
  static let kinds: [PipelineTask] = [
    .chat, .ask, .draw(guided: true), .edit(guided: false),
  ]

  @Test(arguments: Preset.all, PhoneSize.all)
  func eachTaskRunsAsPlannedOrIsRefusedBeforeAnythingIsLoaded(
    _ preset: Preset, _ size: PhoneSize
  ) async throws {
    for policy in MemoryPlan.Policy.allCases {
      let bench = try await Bench(
        limit: size.limit, preset.footprints,
        settings: DeviceSettings(memory: policy, reserve: 100_000_000))
      let budget = size.limit - 100_000_000
      // In a row, and the whole row again: what was kept before is part of the plan.
      for task in Self.tasks + Self.tasks {
        let before = bench.phone.loaded
        bench.phone.forget()
        guard try MemoryPlan.least(task, preset.footprints) <= budget else {
          let error = await failing { try await bench.follow(task) }
          #expect(error?.kind == .memory, "\(task)")
          let figures = try #require(error?.description)
          #expect(figures.contains(" of memory, ") && figures.contains(" are free"), "\(figures)")
          #expect(bench.phone.done.allSatisfy { $0 != .load("dit") } && bench.phone.begun == 0)
          continue
        }
        let plan = try MemoryPlan(
          [task], preset.footprints, budget: budget, policy: policy, loaded: before)
        try await bench.follow(task)
        #expect(Self.steps(bench.phone.done) == plan.steps, "\(task) after \(before)")
        #expect(bench.phone.loaded == plan.loaded)
        #expect(await bench.engine.loaded == plan.loaded)
        #expect(bench.phone.peak <= budget, "\(task)")
      }
      await bench.engine.closeAll()
      #expect(bench.phone.loaded == [])
    }
  }

  /// What was done, without compilation, a component's runs in a row taken for one.
  private static func steps(_ done: [Phone.Act]) -> [MemoryPlan.Step] {
    var steps: [MemoryPlan.Step] = []
    for act in done {
      switch act {
      case .compile: break
      case .load(let name): steps.append(.load(name))
      case .unload(let name): steps.append(.unload(name))
      case .run(let name): if steps.last != .run(name) { steps.append(.run(name)) }
      }
    }
    return steps
  }

  @Test func whatFitsWhere() throws {
    // The table that the phones' sizes make of the float32 bundle.
    let sizes = Preset.all[0].footprints
    let fits = try PhoneSize.all.map { phone in
      try Self.tasks.map { try MemoryPlan.least($0, sizes) <= phone.limit }
    }
    #expect(
      fits == [
        [true, true, false, false, false, false], [true, true, false, false, false, false],
        [true, true, false, false, false, false], [true, true, true, true, true, true],
        [true, true, true, true, true, true],
      ])
  }

  @Test func aWarningAtAnyMomentDropsWhatIsIdle() async throws {
    for task in Self.kinds {
      let plain = try await Bench()
      let wanted = try await plain.follow(task).result
      let bench = try await Bench()
      var moment = 0
      while true {
        // Everything is loaded before, so that there is something to drop.
        bench.phone.onCall(nil)
        for name in DeviceEngine.coreMLComponents { await (try bench.engine.session(name)).close() }
        await (try bench.engine.languageModel()).close()
        #expect(bench.phone.loaded.count == 5)
        bench.phone.forget()
        let now = moment
        bench.phone.onCall { act, number in
          guard number == now else { return }
          await bench.warnOfMemory()
          switch act {
          case .load(let name), .run(let name):
            #expect(bench.phone.loaded == [name], "\(act): \(bench.phone.loaded)")
          case .compile, .unload: break
          }
        }
        #expect(try await bench.follow(task).result == wanted)
        if bench.phone.begun <= now { break }
        moment += 1
      }
      #expect(moment > 2, "\(task)")
      bench.phone.onCall(nil)
      await bench.warnOfMemory()  // nothing runs
      #expect(bench.phone.loaded == [])
      await bench.warnOfMemory()  // nothing is loaded
    }
  }

  @Test func aWarningWhileItLoadsOrBetweenTasksKeepsTheBudget() async throws {
    // A phone that can just hold what runs: a warning leaves it more, never less.
    let size = PhoneSize.all[3]
    let bench = try await Bench(limit: size.limit)
    for warned in 0..<12 {
      bench.phone.forget()
      bench.phone.onCall { _, number in if number == warned { await bench.warnOfMemory() } }
      try await bench.follow(.draw(guided: true))
      #expect(bench.phone.peak <= size.limit)
    }
  }

  @Test func theReserveStaysFree() async throws {
    let sizes = Preset.all[0].footprints
    let least = try MemoryPlan.least(.draw(guided: true), sizes)
    let settings = DeviceSettings(reserve: 50_000_000)
    let tight = try await Bench(limit: least + 49_999_999, sizes, settings: settings)
    #expect(await failing { try await tight.follow(.draw(guided: true)) }?.kind == .memory)
    let enough = try await Bench(limit: least + 50_000_000, sizes, settings: settings)
    try await enough.follow(.draw(guided: true))
    #expect(enough.phone.peak <= least)
  }
}
