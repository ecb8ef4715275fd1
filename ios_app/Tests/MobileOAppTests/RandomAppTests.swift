import Foundation
import MobileO
import MobileOApp
import Testing

/// What a user may do with the app as a whole, in any order, at any moment.
@MainActor @Suite struct RandomAppTests {
  // A tokenizer is read in each, which without optimization takes its time.
  #if DEBUG
    private static let sequences = 100
  #else
    private static let sequences = 500
  #endif
  private static let actions = 14

  @Test func noSequenceEndsInAnImpossibleState() async throws {
    var ends: [String: Int] = [:]
    let bundles = try Bundles()
    for number in 0..<Self.sequences {
      let user = try AppUser(seed: UInt64(number), bundles)
      for _ in 0..<Self.actions {
        await user.act()
        user.check()
      }
      try await user.finish()
      for (end, count) in user.ends { ends[end, default: 0] += count }
    }
    // All of it happened; how often depends on the machine.
    for end in [
      "ready", "none", "downloaded", "imported", "deleted", "said", "measured", "stopped",
      "picture", "switched", "rebuilt", "flipped",
    ] {
      #expect(ends[end, default: 0] > 0, "\(end): \(ends)")
    }
    print("random app: \(ends.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" })")
  }

  struct Bundles {
    let inside: SealedBundle
    let online: SealedBundle
    let folder: SealedBundle

    init() throws {
      inside = try SealedBundle("inside")
      online = try SealedBundle("online")
      folder = try SealedBundle("folder")
    }
  }
}

@MainActor private final class AppUser {
  private let seed: UInt64
  private var chance: Philox
  private let bench: AppBench
  private let bundles: RandomAppTests.Bundles
  private let camera = ToyCamera()
  private var app: AppModel { bench.app }
  private var watcher: CameraModel?
  private var benchmark: BenchmarkModel?
  private var talk: ConversationModel?
  private var tasks: [Task<Void, Never>] = []
  private var done: [String] = []
  var ends: [String: Int] = [:]

  init(seed: UInt64, _ bundles: RandomAppTests.Bundles) throws {
    self.seed = seed
    self.bundles = bundles
    chance = Philox(seed: seed + 10_000)
    bench = try AppBench(
      embedded: seed % 4 == 0 ? nil : bundles.inside, active: seed % 5 > 0,
      serving: bundles.online)
    app.download.networkChanged(to: .wifi)
    let app = bench.app
    tasks.append(Task { await app.open() })
    if seed % 7 == 0 {
      bench.factory.onCall { call, number in
        if number % 11 == 10, call != "release" { throw MobileOError(.memory, "no room") }
      }
    }
  }

  private func below(_ count: Int) -> Int { Int(chance.next() % UInt64(count)) }

  private func begin(_ body: @escaping @MainActor () async -> Void) {
    tasks.append(Task { await body() })
  }

  func act() async {
    let action = below(24)
    done.append("\(action)")
    let app = app
    switch action {
    case 0, 1: app.sceneChanged(isActive: true)
    case 2: app.sceneChanged(isActive: false)
    case 3: begin { await app.again() }
    case 4: app.cancel()
    case 5:
      // Some wait for what comes before they use it.
      for _ in 0..<200 where seed % 2 == 0 && app.shelf.activity != nil {
        try? await Task.sleep(for: .milliseconds(1))
      }
      if let bundle = app.shelf.bundles.randomElement(using: &chance) {
        if bundle.id != app.bundle?.id { count("switched") }
        begin { await app.use(bundle.id) }
      }
    case 6:
      if let bundle = app.shelf.bundles.randomElement(using: &chance) {
        if bundle.source != .embedded { count("deleted") }
        begin { await app.delete(bundle.id) }
      }
    case 7: begin { [bundles] in await app.shelf.importBundle(from: bundles.folder.url) }
    case 8:
      begin {
        await app.download.look()
        await app.download.begin()
      }
    case 9: app.download.networkChanged(to: [.wifi, .cellular, .none][below(3)])
    case 10: [app.download.pause, app.download.cancel, app.shelf.cancel][below(3)]()
    case 11: begin { await app.memoryWarning() }
    case 12, 13:
      var settings = app.settings
      settings.memory = below(2) == 0 ? .keep : .drop
      settings.allowsReducedPrecision = below(2) == 0
      begin { [settings] in await app.change(settings: settings) }
    case 14:
      if let bundle = app.shelf.bundles.randomElement(using: &chance) {
        begin { await app.repair(bundle.id) }
      }
    case 15, 16, 17: send()
    case 18: watch()
    case 19:
      watch()
      for _ in 0..<20 { await Task.yield() }
      camera.show(UInt8(below(256)))
      switch below(4) {
      case 0: watcher?.freeze()
      case 1: flip()
      default: break
      }
    case 20:
      if below(2) == 0 { watcher?.stop() } else if let watcher { begin { await watcher.ask() } }
    case 21:
      benchmark = app.benchmark()
      if let benchmark {
        (benchmark.runs, benchmark.tokens, benchmark.steps) = (1, 1, 1)
        begin { await benchmark.run() }
      }
    case 22: [talk?.stop, benchmark?.stop][below(2)]?()
    default: tasks.last?.cancel()
    }
    for _ in 0..<below(50) { await Task.yield() }
  }

  private func send() {
    guard let talk = app.conversation() else { return }
    self.talk = talk
    talk.composer.intent = below(2) == 0 ? .ask : .draw
    talk.composer.text = "a red circle"
    talk.composer.steps = 2
    let takesPicture = talk.composer.intent == .ask
    begin {
      if takesPicture { await talk.attach(ToyBundle.picture) }
      await talk.send()
    }
  }

  private func watch() {
    guard watcher == nil || watcher?.state == .off else { return }
    watcher = app.camera(camera.source)
    if let watcher { begin { await watcher.start() } }
  }

  private func flip() {
    guard let watcher else { return }
    let (before, can) = (watcher.facing, watcher.canFlip)
    watcher.flip()
    #expect((watcher.facing != before) == can, "\(story)")
    if can { count("flipped") }
  }

  /// What has to hold at any moment.
  func check() {
    #expect(camera.mostRunning <= 1, "two cameras at a time: \(story)")
    if let watcher, watcher.state == .watching || watcher.state == .frozen {
      #expect(camera.started.last == watcher.facing, "\(story)")
    }
    #expect(bench.factory.engine.mostOpen <= 1, "two runs at a time: \(story)")
    if app.state == .ready {
      #expect(app.studio != nil && app.bundle != nil, "\(story)")
      #expect(app.studio?.model.manifest.identity == app.bundle?.id, "\(story)")
      #expect(app.shelf.inUse == app.bundle?.id, "\(story)")
    }
    if app.state == .noBundle { #expect(app.bundle == nil && app.studio == nil, "\(story)") }
    if let preparation = app.state.preparation {
      #expect(preparation.done <= preparation.count, "\(story)")
    }
    if let studio = app.studio {
      #expect(!studio.state.isBusy || studio.occupation == nil, "\(story)")
    }
    if let progress = app.download.state.progress {
      #expect(progress.have >= 0 && progress.have <= progress.size, "\(story)")
    }
    if app.shelf.notice?.isEmpty == true || app.notices.contains("") {
      Issue.record("an empty notice: \(story)")
    }
  }

  /// Everything comes to its end, and the next start finds what there is.
  func finish() async throws {
    watcher?.stop()
    app.sceneChanged(isActive: true)
    if below(2) == 0 { talk?.stop() }
    for task in tasks { await task.value }
    await settle()
    check()
    bench.factory.onCall(nil)
    app.sceneChanged(isActive: true)
    switch app.state {
    case .ready: break
    case .noBundle where app.shelf.bundles.isEmpty: break
    default:
      count("stopped")
      await app.again()
      await settle()
    }
    check()
    #expect(bench.memory.content["/app/beacon.json"] == nil, "the beacon is out: \(story)")
    #expect(app.shelf.activity == nil && !app.download.state.isBusy, "\(story)")
    if watcher?.said != nil { count("said") }
    if benchmark?.reports.isEmpty == false { count("measured") }
    if bench.factory.options.count > 1 { count("rebuilt") }
    if case .finished = app.download.state { count("downloaded") }
    if app.shelf.bundles.contains(where: { $0.source == .imported }) { count("imported") }
    try await lastLook()
  }

  /// What waits for something by itself has done so.
  private func settle() async {
    await eventually {
      !app.state.isBusy && app.studio?.state.isBusy != true && app.studio?.occupation == nil
        && !app.download.state.isBusy && app.shelf.activity == nil
    }
  }

  private func lastLook() async throws {
    if app.state == .ready {
      count("ready")
      await bench.draws()
      count("picture")
      #expect(
        bench.factory.options.last == EngineOptions(app.settings), "as the settings ask: \(story)")
    } else {
      #expect(app.state == .noBundle && app.shelf.bundles.isEmpty, "\(app.state): \(story)")
      count("none")
    }
    await app.memoryWarning()
    #expect(bench.factory.engine.open == 0, "\(story)")
    // What a download brought may just be looked at; one look comes after the other.
    await app.shelf.refresh()
    let shelf = app.shelf.bundles
    await app.shelf.refresh()
    #expect(app.shelf.bundles == shelf && app.shelf.problems.isEmpty, "\(story)")
    for bundle in shelf {
      let manifest = try Manifest(folder: bundle.folder.path)
      let folder = bundle.folder.path
      await eventually { (try? Seal.verify(folder, manifest).isEmpty) == true }
      let problems = try Seal.verify(folder, manifest)
      #expect(problems.isEmpty, "\(bundle.source) \(problems): \(story)")
    }
    let library = try Library(
      folder: URL(fileURLWithPath: "/app/Library"), disk: bench.memory.disk)
    #expect(library.conversations == app.library?.conversations, "\(story)")
  }

  private func count(_ end: String) { ends[end, default: 0] += 1 }

  private var story: String { "sequence \(seed): \(done.joined(separator: " "))" }
}
