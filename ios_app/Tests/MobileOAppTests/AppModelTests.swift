import Foundation
import MobileO
import MobileOApp
import Testing

/// Every state of the app under every event.
@Suite struct StartStateTests {
  private static let failure = "no"

  private static func states() throws -> [(String, StartState)] {
    let preparing = try #require(StartState.opening.after(.prepare(count: 2)))
    let failed = try #require(StartState.opening.after(.failed(try why())))
    return [
      ("opening", .opening), ("noBundle", .noBundle), ("preparing", preparing),
      ("stopping", try #require(preparing.after(.stop(.stopped)))), ("ready", .ready),
      ("stopped", .stopped(Preparation(), .away)), ("failed", failed),
    ]
  }

  private static func why() throws -> StartFailure {
    StartFailure(MobileOError(.bundle, failure), isCustom: false)
  }

  private static func events() throws -> [(String, StartState.Event)] {
    [
      ("open", .open), ("none", .none), ("prepare", .prepare(count: 2)),
      ("component", .component("dit", lastTime: nil)), ("stop", .stop(.away)), ("done", .done),
      ("ended", .ended(.away)), ("failed", .failed(try why())),
    ]
  }

  /// What is not here cannot happen.
  private static let table: [String: [String: String]] = [
    "opening": [
      "none": "noBundle", "prepare": "preparing", "stop": "stopping", "ended": "stopped",
      "failed": "failed",
    ],
    "noBundle": ["open": "opening"],
    "preparing": [
      "component": "preparing", "stop": "stopping", "done": "ready", "ended": "stopped",
      "failed": "failed",
    ],
    "stopping": ["none": "noBundle", "done": "ready", "ended": "stopped", "failed": "failed"],
    "ready": ["open": "opening", "prepare": "preparing"],
    "stopped": ["open": "opening"],
    "failed": ["open": "opening"],
  ]

  private static func name(_ state: StartState?) -> String? {
    switch state {
    case nil: nil
    case .opening: "opening"
    case .noBundle: "noBundle"
    case .preparing: "preparing"
    case .stopping: "stopping"
    case .ready: "ready"
    case .stopped: "stopped"
    case .failed: "failed"
    }
  }

  @Test func everyTransitionIsThatOfTheTable() throws {
    for (from, state) in try Self.states() {
      for (name, event) in try Self.events() {
        #expect(Self.name(state.after(event)) == Self.table[from]?[name], "\(from), \(name)")
      }
    }
  }

  @Test func componentsComeOneByOne() throws {
    var state = try #require(StartState.opening.after(.prepare(count: 2)))
    #expect(state.preparation == Preparation.of(nil, 0, 2))
    state = try #require(state.after(.component("llm", lastTime: .seconds(4))))
    #expect(state.preparation == Preparation.of("llm", 0, 2, .seconds(4)))
    state = try #require(state.after(.component("dit", lastTime: nil)))
    #expect(state.preparation == Preparation.of("dit", 1, 2))
    #expect(state.after(.component("mcp", lastTime: nil)) == nil)
    // The first reason stands.
    let stopped = state.after(.stop(.away))?.after(.ended(.stopped))
    #expect(stopped == .stopped(try #require(Preparation.of("dit", 1, 2)), .away))
  }

  @Test func everyFailureHasARemedy() {
    let kinds: [MobileOError.Kind] = [
      .bundle, .tokenizer, .memory, .usage, .session, .unreachable, .off,
    ]
    for kind in kinds {
      for isCustom in [false, true] {
        let failure = StartFailure(MobileOError(kind, "no"), isCustom: isCustom)
        #expect(failure.sentence == "no" && failure.remedies.contains(.again))
        #expect(failure.remedies.contains(.repair) == [.bundle, .tokenizer].contains(kind))
        #expect(failure.remedies.contains(.turnOnCoreAI) == (kind == .off))
        #expect(Set(failure.remedies).count == failure.remedies.count)
        if kind == .memory { #expect(failure.remedies.contains(.resetSettings) == isCustom) }
      }
    }
  }
}

/// Engines of the toy, with a look at everything that is asked of them.
final class ToyFactory: @unchecked Sendable {
  private let lock = NSLock()
  private var seen: [String] = []
  private var wanted: [EngineOptions] = []
  private var hook: (@Sendable (_ call: String, _ number: Int) async throws -> Void)?
  let engine: ToyEngine

  init() throws { engine = try ToyEngine() }

  /// `make NAME`, `prepare dit`, `release`, in order.
  var calls: [String] { lock.withLock { seen } }
  /// Of each engine that was made.
  var options: [EngineOptions] { lock.withLock { wanted } }

  func onCall(_ hook: (@Sendable (String, Int) async throws -> Void)?) {
    lock.withLock { self.hook = hook }
  }

  func forget() { lock.withLock { (seen, wanted) = ([], []) } }

  static let components = ["vision_encoder", "llm", "dit"]

  var factory: EngineFactory {
    EngineFactory { _, manifest, options in
      self.lock.withLock { self.wanted.append(options) }
      try await self.call("make " + (manifest.content["source"]?["name"]?.string ?? ""))
      return AppEngine(
        self.engine, runtime: "toy", components: Self.components,
        prepare: { try await self.call("prepare " + $0) },
        release: { try? await self.call("release") })
    }
  }

  private func call(_ name: String) async throws {
    let (hook, number) = lock.withLock {
      seen.append(name)
      return (self.hook, seen.count - 1)
    }
    try await hook?(name, number)
  }
}

/// An app over a folder and a disk in memory.
@MainActor struct AppBench {
  let scratch: Scratch
  let memory: MemoryDisk
  let factory: ToyFactory
  let app: AppModel
  let server: FakeServer
  let clock: Box<Int>
  private let embedded: SealedBundle?

  init(
    embedded: SealedBundle? = nil, active: Bool = true, scratch: Scratch? = nil,
    memory: MemoryDisk = MemoryDisk(), serving: SealedBundle? = nil
  ) throws {
    let (scratch, factory) = (try scratch ?? Scratch(), try ToyFactory())
    let clock = Box(0)
    let server = FakeServer(try serving?.files ?? [:])
    let shelf = BundleShelf(
      folder: URL(fileURLWithPath: scratch.path + "/Bundles"), embedded: embedded?.url,
      transport: server, settings: ShelfBench.quick)
    let download = DownloadModel(
      shelf: shelf, address: FakeServer.address, transport: server, settings: ShelfBench.quick)
    app = AppModel(
      places: AppPlaces(root: URL(fileURLWithPath: "/app")), factory: factory.factory,
      shelf: shelf, download: download, disk: memory.disk, now: { .seconds(clock.value) })
    if active { app.sceneChanged(isActive: true) }
    (self.scratch, self.memory, self.factory) = (scratch, memory, factory)
    (self.server, self.clock, self.embedded) = (server, clock, embedded)
  }

  static let prepared = ToyFactory.components.map { "prepare " + $0 }

  /// Makes something, to see that it goes.
  func draws(_ place: SourceLocation = #_sourceLocation) async {
    guard let talk = app.conversation() else {
      Issue.record("no conversation: \(app.state)", sourceLocation: place)
      return
    }
    (talk.composer.intent, talk.composer.text) = (.draw, "a red circle")
    await talk.send()
    #expect(talk.notice == nil, sourceLocation: place)
    #expect(talk.conversation.turns.first?.reply?.picture != nil, sourceLocation: place)
  }
}

@MainActor @Suite struct AppModelTests {
  @Test func theEmbeddedBundleDrawsAtOnce() async throws {
    let bench = try AppBench(embedded: try SealedBundle("inside"))
    let app = bench.app
    #expect(app.state == .opening && app.conversation() == nil && app.benchmark() == nil)
    await app.open()
    #expect(app.state == .ready && app.bundle?.name == "inside" && app.lastDeath == nil)
    #expect(bench.factory.calls == ["make inside"] + AppBench.prepared)
    #expect(app.shelf.inUse == app.bundle?.id && app.notices.isEmpty)
    await bench.draws()
    #expect(app.library?.conversations.count == 1)
  }

  @Test func withoutABundleOneIsBrought() async throws {
    let bundle = try SealedBundle("mine")
    let bench = try AppBench()
    await bench.app.open()
    #expect(bench.app.state == .noBundle && bench.app.studio == nil)
    #expect(bench.app.library != nil, "what was made before can be read")
    await bench.app.shelf.importBundle(from: bundle.url)
    await bench.app.use(bundle.id)
    #expect(bench.app.state == .ready && bench.app.bundle?.id == bundle.id)
    await bench.draws()
    // It is remembered, and when it is deleted there is none.
    let next = try AppBench(scratch: bench.scratch, memory: bench.memory)
    await next.app.open()
    #expect(next.app.bundle?.id == bundle.id && next.app.state == .ready)
    await next.app.delete(bundle.id)
    #expect(next.app.state == .noBundle && next.app.shelf.bundles.isEmpty)
    #expect(next.app.studio == nil && next.factory.calls.last == "release")
  }

  @Test func whatItTookTheLastTimeIsShown() async throws {
    let inside = try SealedBundle()
    let bench = try AppBench(embedded: inside)
    let clock = bench.clock
    bench.factory.onCall { call, _ in if call.hasPrefix("prepare") { clock.value += 7 } }
    await bench.app.open()
    let next = try AppBench(
      embedded: inside, scratch: bench.scratch, memory: bench.memory)
    let app = next.app
    let seen = Box<[Preparation]>([])
    next.factory.onCall { call, _ in
      guard call.hasPrefix("prepare") else { return }
      if let now = await app.state.preparation { seen.value.append(now) }
    }
    await app.open()
    #expect(
      seen.value
        == ToyFactory.components.enumerated().compactMap { .of($1, $0, 3, .seconds(7)) })
  }

  enum Way: CaseIterable, Sendable { case cancel, leave, cancelTask }

  /// Stopped in each way while each call is in flight; then it goes on.
  @Test(arguments: Way.allCases) func itStopsAtEveryCall(_ way: Way) async throws {
    let inside = try SealedBundle()
    for number in 0..<4 {
      let bench = try AppBench(embedded: inside)
      let (app, factory) = (bench.app, bench.factory)
      let task = Task { await app.open() }
      factory.onCall { _, now in
        guard now == number else { return }
        await MainActor.run {
          switch way {
          case .cancel:
            app.cancel()
            if case .stopping = app.state {} else { Issue.record("\(app.state)") }
          case .leave: app.sceneChanged(isActive: false)
          case .cancelTask: task.cancel()
          }
        }
      }
      await task.value
      #expect(factory.calls.count == number + 1, "\(way) \(number): \(factory.calls)")
      // What was in flight last is done, and all that there was with it.
      if number == 3 {
        #expect(app.state == .ready)
      } else {
        guard case .stopped(_, let why) = app.state else {
          Issue.record("\(way) \(number): \(app.state)")
          continue
        }
        #expect(why == (way == .leave ? .away : .stopped))
      }
      #expect(bench.memory.content["/app/beacon.json"] == nil, "the beacon is out")
      factory.onCall(nil)
      if way == .leave {
        app.sceneChanged(isActive: true)
        await eventually { app.state == .ready }
      } else {
        await app.again()
      }
      #expect(app.state == .ready)
      await bench.draws()
    }
  }

  /// A scene that is not active yet: everything waits for it.
  @Test func nothingIsPreparedBeforeTheSceneIsActive() async throws {
    let bench = try AppBench(embedded: try SealedBundle(), active: false)
    await bench.app.open()
    guard case .stopped(_, .away) = bench.app.state else {
      Issue.record("\(bench.app.state)")
      return
    }
    #expect(!bench.factory.calls.contains { $0.hasPrefix("prepare") })
    bench.app.sceneChanged(isActive: true)
    await eventually { bench.app.state == .ready }
  }

  @Test func aFailureAnywhereSaysWhatToDo() async throws {
    let inside = try SealedBundle()
    for number in 0..<4 {
      let bench = try AppBench(embedded: inside)
      bench.factory.onCall { _, now in
        if now == number { throw MobileOError(.memory, "needs 2.9 GB, 2.1 GB are free") }
      }
      await bench.app.open()
      guard case .failed(let failure) = bench.app.state else {
        Issue.record("\(bench.app.state)")
        continue
      }
      #expect(failure.sentence.contains("2.9 GB") && failure.remedies.first == .again)
      bench.factory.onCall(nil)
      await bench.app.again()
      #expect(bench.app.state == .ready)
    }
    // A tokenizer that is damaged.
    let broken = try SealedBundle()
    let bench = try AppBench(embedded: broken)
    try Files.write([1], to: broken.scratch.path + "/llm/tokenizer.json")
    await bench.app.open()
    guard case .failed(let failure) = bench.app.state else {
      Issue.record("\(bench.app.state)")
      return
    }
    #expect(failure.remedies.first == .repair)
  }

  /// A bundle for Core AI is refused until the user turns it on, which is remembered.
  @Test func coreAIIsTurnedOnWhereItIsNeeded() async throws {
    let inside = try SealedBundle()
    let bench = try AppBench(embedded: inside)
    let factory = bench.factory
    factory.onCall { [weak factory] call, _ in
      if call.hasPrefix("prepare"), factory?.options.last?.coreAI == nil {
        throw MobileOError(.off, "dit is for Core AI, which is off; turn it on")
      }
    }
    await bench.app.open()
    guard case .failed(let failure) = bench.app.state else {
      Issue.record("\(bench.app.state)")
      return
    }
    #expect(failure.remedies.first == .turnOnCoreAI && bench.app.settings.coreAI == nil)
    await bench.app.turnOnCoreAI()
    #expect(bench.app.state == .ready && bench.app.settings.coreAI == .all)
    let next = try AppBench(embedded: inside, scratch: bench.scratch, memory: bench.memory)
    await next.app.open()
    #expect(next.app.settings.coreAI == .all && next.factory.options.last?.coreAI == .all)
  }

  @Test func otherSettingsMakeAnotherEngine() async throws {
    let bench = try AppBench(embedded: try SealedBundle())
    let (app, factory) = (bench.app, bench.factory)
    await app.open()
    let talk = try #require(app.conversation())
    factory.forget()
    var settings = AppSettings()
    settings.longestAnswer = 3
    await app.change(settings: settings)
    #expect(factory.calls.isEmpty, "that is none of the engine's")
    #expect(app.studio?.settings.longestAnswer == 3)
    settings.computeUnits = ["dit": .cpuOnly]
    settings.memory = .drop
    settings.allowsReducedPrecision = true
    await app.change(settings: settings)
    #expect(factory.calls == ["release", "make toy"] + AppBench.prepared)
    #expect(factory.options == [EngineOptions(settings)] && app.state == .ready)
    #expect(factory.options[0].computeUnits == ["dit": .cpuOnly])
    #expect(factory.options[0].memory == .drop && factory.options[0].allowsReducedPrecision)
    // The same conversation goes on.
    talk.composer.text = "hello"
    await talk.send()
    #expect(talk.notice == nil && talk.conversation.turns.count == 1)
    // They are kept, and can be taken back.
    let next = try AppBench(
      embedded: try SealedBundle(), scratch: bench.scratch, memory: bench.memory)
    await next.app.open()
    #expect(next.app.settings == settings && next.factory.options == [EngineOptions(settings)])
    await next.app.resetSettings()
    #expect(next.app.settings == AppSettings() && next.factory.options.count == 2)
    settings.longestAnswer = 0
    await app.change(settings: settings)
    #expect(app.notices.first?.contains("choose 1 to 4096") == true)
    #expect(app.settings.longestAnswer == 3)
  }

  @Test func whileSomethingIsMadeTheEngineStays() async throws {
    let bench = try AppBench(embedded: try SealedBundle())
    let (app, factory) = (bench.app, bench.factory)
    await app.open()
    factory.forget()
    let changing = Box<Task<Void, Never>?>(nil)
    factory.engine.onCall { call, _ in
      guard call == "run mcp", changing.value == nil else { return }
      await MainActor.run {
        var settings = app.settings
        settings.memory = .drop
        changing.value = Task { await app.change(settings: settings) }
      }
      for _ in 0..<20 { await Task.yield() }
      #expect(factory.calls.isEmpty)
    }
    await bench.draws()
    await changing.value?.value
    #expect(factory.calls == ["release", "make toy"] + AppBench.prepared && app.state == .ready)
    // While it is made anew nothing begins.
    factory.onCall { call, _ in
      guard call == "prepare dit" else { return }
      await MainActor.run { #expect(app.studio?.obstacle?.contains("preparation") == true) }
    }
    await app.resetSettings()
    #expect(app.studio?.obstacle == nil)
  }

  /// Changed while it is prepared: it is prepared once more, for what was chosen last.
  @Test func settingsThatChangeMeanwhileCount() async throws {
    let bench = try AppBench(embedded: try SealedBundle())
    let (app, factory) = (bench.app, bench.factory)
    let once = Box(false)
    factory.onCall { call, _ in
      guard call == "prepare llm", !once.value else { return }
      once.value = true
      var settings = AppSettings()
      settings.memory = .drop
      await app.change(settings: settings)
    }
    await app.open()
    await eventually { factory.options.count == 2 && app.state == .ready }
    #expect(factory.options.last?.memory == .drop)
  }

  @Test func bundlesAreSwitched() async throws {
    let (inside, other) = (try SealedBundle("inside"), try SealedBundle("other"))
    let bench = try AppBench(embedded: inside, serving: other)
    let (app, factory) = (bench.app, bench.factory)
    await app.open()
    app.download.networkChanged(to: .wifi)
    await app.download.look()
    await app.download.begin()
    #expect(app.download.state == .finished(other.id) && app.bundle?.id == inside.id)
    let first = app.studio
    await app.use(other.id)
    #expect(app.state == .ready && app.bundle?.name == "other" && app.studio !== first)
    #expect(app.studio?.model.manifest.identity == other.id && app.shelf.inUse == other.id)
    await bench.draws()
    // While something is made it is refused.
    factory.engine.onCall { call, _ in
      if call == "run mcp" { await app.use(inside.id) }
    }
    await bench.draws()
    #expect(app.bundle?.id == other.id && app.notices.first?.contains("wait") == true)
    factory.engine.onCall(nil)
    // What is open is repaired, and is open again.
    let weights = "/transformer.mlpackage/Data/weight.bin"
    try Files.write([1], to: try #require(app.bundle).folder.path + weights)
    await app.repair(other.id)
    #expect(app.state == .ready && app.bundle?.id == other.id)
    #expect(app.shelf[other.id]?.health == .sealed && app.shelf.notice == nil)
    // What is open is deleted, and the embedded one is open.
    await app.delete(other.id)
    #expect(app.state == .ready && app.bundle?.id == inside.id && app.shelf.bundles.count == 1)
    await bench.draws()
    await app.use("nothing")
    #expect(app.bundle?.id == inside.id)
  }

  @Test func whatItDiedOfIsSaidOnce() async throws {
    let inside = try SealedBundle()
    let bench = try AppBench(embedded: inside)
    let left = Box<[String: [UInt8]]>([:])
    let memory = bench.memory
    bench.factory.onCall { call, _ in if call == "prepare dit" { left.value = memory.content } }
    await bench.app.open()
    let next = try AppBench(
      embedded: inside, scratch: bench.scratch, memory: MemoryDisk(left.value))
    await next.app.open()
    #expect(next.app.lastDeath?.component == "dit")
    #expect(next.app.lastDeath?.activity == .preparation && next.app.lastDeath?.call == .load)
    await next.app.again()
    #expect(next.app.lastDeath != nil, "until the user has read it")
    next.app.dismissLastDeath()
    #expect(next.app.lastDeath == nil)
    let last = try AppBench(embedded: inside, scratch: bench.scratch, memory: next.memory)
    await last.app.open()
    #expect(last.app.lastDeath == nil)
  }

  @Test func aMemoryWarningReleasesWhatIsIdle() async throws {
    let bench = try AppBench(embedded: try SealedBundle())
    await bench.app.memoryWarning()
    await bench.app.open()
    let talk = try #require(bench.app.conversation())
    (talk.composer.intent, talk.composer.text) = (.ask, "what is it?")
    await talk.attach(ToyBundle.picture)
    await talk.send()
    #expect(bench.factory.engine.open == 1)
    bench.factory.forget()
    await bench.app.memoryWarning()
    #expect(bench.factory.engine.open == 0 && bench.factory.calls == ["release"])
  }

  /// A disk that cannot be written keeps nobody from drawing with what is there.
  @Test func aFullDiskIsSaid() async throws {
    let bench = try AppBench(embedded: try SealedBundle())
    bench.memory.die(at: 0)
    await bench.app.open()
    #expect(bench.app.state == .ready)
    var settings = AppSettings()
    settings.isSeedLocked = true
    await bench.app.change(settings: settings)
    #expect(!bench.app.notices.isEmpty && !bench.app.settings.isSeedLocked)
    bench.app.dismissNotices()
    #expect(bench.app.notices.isEmpty)
  }
}

extension Preparation {
  /// A preparation, by its events.
  static func of(_ component: String?, _ done: Int, _ count: Int, _ last: Duration? = nil)
    -> Preparation?
  {
    var state = StartState.opening.after(.prepare(count: count))
    for number in 0..<(component == nil ? 0 : done + 1) {
      state = state?.after(
        .component(number == done ? component ?? "" : "x", lastTime: number == done ? last : nil))
    }
    return state?.preparation
  }
}
