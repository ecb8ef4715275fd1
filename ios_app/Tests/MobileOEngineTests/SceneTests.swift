import MobileO
import MobileOEngine
import Testing

/// Nothing begins unless the scene is active; what is in flight ends, and what was there stays.
@Suite struct SceneTests {
  @Test(arguments: MemoryTests.kinds)
  func leavingAtAnyCallStopsWithinOneStep(_ task: PipelineTask) async throws {
    let bench = try await Bench()
    let wanted = try await bench.follow(task)
    var moment = 0
    while true {
      await bench.engine.closeAll()
      bench.phone.forget()
      let now = moment
      bench.phone.onCall { _, number in if number == now { bench.gate.scene(isActive: false) } }
      var steps = 0
      do {
        steps = try await bench.follow(task) { steps = $0 }.step
      } catch is CancellationError {
        #expect(bench.phone.begun == now + 1, "the call in flight ends, no other begins")
      }
      if bench.phone.begun <= now {
        #expect(steps == wanted.step)
        break
      }
      let runs = bench.phone.done.count { $0 == .run("dit") }
      if case .draw(let guided) = task { #expect(steps == runs / (guided ? 2 : 1)) }
      if case .edit(let guided) = task { #expect(steps == runs / (guided ? 2 : 1)) }
      // What was lent came back: nobody waits for it for ever.
      await bench.engine.closeAll()
      #expect(bench.phone.loaded == [])
      bench.gate.scene(isActive: true)
      _ = bench.gate.open()
      moment += 1
    }
    #expect(moment > 3)
    bench.phone.onCall(nil)
    #expect(try await bench.follow(task).result == wanted.result)
  }

  @Test func nothingBeginsWhileAway() async throws {
    let bench = try await Bench()
    bench.gate.scene(isActive: false)
    for task in MemoryTests.tasks {
      await #expect(throws: CancellationError.self) {
        try await bench.engine.prepare(for: task)
      }
    }
    await #expect(throws: CancellationError.self) { _ = try await bench.engine.session("mcp") }
    await #expect(throws: CancellationError.self) { _ = try await bench.engine.languageModel() }
    await #expect(throws: CancellationError.self) { _ = try await bench.engine.computePlan() }
    await #expect(throws: CancellationError.self) {
      for try await _ in bench.engine.prewarm() {}
    }
    #expect(bench.phone.done == [])
  }

  @Test func leavingWhileAModelIsCompiledLoadsNothing() async throws {
    let bench = try await Bench()
    bench.core.set { state in
      state.isCompiling = { bench.gate.scene(isActive: false) }
    }
    await #expect(throws: CancellationError.self) { _ = try await bench.engine.session("dit") }
    #expect(bench.phone.done == [.compile("dit")])
    #expect(await bench.engine.store.models.keys.sorted() == ["dit"], "what was made stays")
  }

  @Test func leavingWhileALoadWaitsForMemoryLoadsNothing() async throws {
    // The load of the transformer waits until memory that was given back shows; the scene leaves.
    let bench = try await Bench()
    let session = try await bench.engine.session("mcp")
    let waiting = Task { try await bench.engine.session("dit") }
    await Task.yield()
    bench.gate.scene(isActive: false)
    await session.close()
    await #expect(throws: CancellationError.self) { _ = try await waiting.value }
    #expect(bench.phone.loaded == ["mcp"])
  }
}
