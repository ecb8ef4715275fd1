import Foundation
import MobileO
import MobileOApp
import Testing

/// Every state of a download under every event.
@Suite struct DownloadStateTests {
  private static func offer() throws -> DownloadOffer {
    DownloadOffer(
      address: try BundleAddress(FakeServer.address), name: "toy", bundle: "ab", size: 100, have: 0,
      free: 1000)
  }

  private static func states() throws -> [(String, DownloadState)] {
    let offer = try offer()
    let progress = try #require(DownloadState.offered(offer).after(.begin)?.progress)
    return [
      ("idle", .idle), ("looking", .looking(offer.address)), ("offered", .offered(offer)),
      ("running", .running(offer, progress)), ("stopping", .stopping(offer, progress, .cellular)),
      ("paused", .paused(offer, progress, .user)), ("finished", .finished("ab")),
      ("failed", .failed("no", offer)), ("refused", .failed("no", nil)),
    ]
  }

  private static func events() throws -> [(String, DownloadState.Event)] {
    let offer = try offer()
    return [
      ("look", .look(offer.address)), ("found", .found(offer)), ("begin", .begin),
      ("planned", .planned(have: 10, size: 100)), ("came", .came(5, rate: nil)),
      ("trouble", .trouble("reset")), ("verifying", .verifying), ("stop", .stop(.user)),
      ("ended", .ended), ("done", .done("ab")), ("failed", .failed("no")),
      ("restored", .restored(offer)), ("discard", .discard),
    ]
  }

  /// What is not here cannot happen.
  private static let table: [String: [String: String]] = [
    "idle": ["look": "looking", "restored": "paused"],
    "looking": ["found": "offered", "ended": "idle", "failed": "refused"],
    "offered": ["look": "looking", "begin": "running", "discard": "idle"],
    "running": [
      "planned": "running", "came": "running", "trouble": "running", "verifying": "running",
      "stop": "stopping", "ended": "paused", "done": "finished", "failed": "failed",
    ],
    "stopping": [
      "planned": "stopping", "came": "stopping", "trouble": "stopping", "verifying": "stopping",
      "ended": "paused", "done": "finished", "failed": "failed",
    ],
    "paused": ["look": "looking", "begin": "running", "discard": "idle"],
    "finished": ["look": "looking", "discard": "idle"],
    "failed": ["look": "looking", "begin": "running", "discard": "idle"],
    "refused": ["look": "looking", "discard": "idle"],
  ]

  private static func name(_ state: DownloadState?) -> String? {
    switch state {
    case nil: nil
    case .idle: "idle"
    case .looking: "looking"
    case .offered: "offered"
    case .running: "running"
    case .stopping: "stopping"
    case .paused: "paused"
    case .finished: "finished"
    case .failed(_, let offer): offer == nil ? "refused" : "failed"
    }
  }

  @Test func everyTransitionIsThatOfTheTable() throws {
    for (from, state) in try Self.states() {
      for (name, event) in try Self.events() {
        #expect(Self.name(state.after(event)) == Self.table[from]?[name], "\(from), \(name)")
      }
    }
  }

  @Test func progressAddsUp() throws {
    var state = DownloadState.offered(try Self.offer())
    for event: DownloadState.Event in [
      .begin, .planned(have: 20, size: 100), .came(30, rate: nil), .trouble("reset"),
    ] {
      state = try #require(state.after(event))
    }
    #expect(state.progress?.have == 50 && state.progress?.trouble == "reset")
    #expect(state.progress?.timeLeft == nil)
    for event: DownloadState.Event in [.came(-10, rate: 20), .came(500, rate: nil)] {
      state = try #require(state.after(event))
    }
    #expect(state.progress?.have == 100 && state.progress?.trouble == nil)
    #expect(state.progress?.timeLeft == .zero)
    state = try #require(state.after(.came(-40, rate: nil)))
    #expect(state.progress?.timeLeft == .seconds(2))
    // The first reason stands.
    let stopped = state.after(.stop(.cellular))?.after(.verifying)?.after(.ended)
    guard case .paused(_, let progress, .cellular) = stopped else {
      Issue.record("\(String(describing: stopped))")
      return
    }
    #expect(progress.isVerifying)
  }

  @Test func addressesAndIds() throws {
    let hub = "https://huggingface.co"
    for (typed, url) in [
      ("https://a.example/b/", "https://a.example/b/"), (" http://a/b ", "http://a/b"),
      ("owner/name", hub + "/owner/name/resolve/main"),
      ("owner/My-0.5B_x@v1.2", hub + "/owner/My-0.5B_x/resolve/v1.2"),
    ] {
      #expect(try BundleAddress(typed).url.absoluteString == url)
    }
    for typed in [
      "", " ", "name", "a/b/c", "../b", "a/..", "a/b@", "a/b@../x", "ftp://a/b", "a b/c", "a/b?c",
      "https://", "file:///etc",
    ] {
      let error = failure { try BundleAddress(typed) }
      #expect(error?.kind == .usage && error?.message.contains("owner/name") == true, "\(typed)")
    }
  }
}

@MainActor @Suite struct DownloadModelTests {
  private nonisolated static let weights = "/transformer.mlpackage/Data/weight.bin"

  private static func model(
    _ bench: ShelfBench, _ network: Network = .wifi, _ address: String = FakeServer.address,
    shelf: BundleShelf? = nil
  ) -> DownloadModel {
    let model = DownloadModel(
      shelf: shelf ?? bench.shelf, address: address, transport: bench.server,
      settings: ShelfBench.quick)
    model.networkChanged(to: network)
    return model
  }

  @Test func itIsOfferedThenDownloaded() async throws {
    let bundle = try SealedBundle("online")
    let bench = try ShelfBench(serving: bundle)
    let model = Self.model(bench)
    #expect(model.obstacle?.contains("type where") == true)
    await model.begin()
    #expect(model.state == .idle && bench.server.requests.isEmpty)
    await model.look()
    guard case .offered(let offer) = model.state else {
      Issue.record("\(model.state)")
      return
    }
    #expect(offer.name == "online" && offer.bundle == bundle.id && offer.have == 0)
    #expect(offer.size == bundle.manifest.files.reduce(0) { $0 + $1.size } && offer.free > 0)
    #expect(bench.server.requests == ["/manifest.json"], "nothing else comes unasked")
    await model.begin()
    #expect(model.state == .finished(bundle.id) && model.obstacle != nil)
    let found = try #require(bench.shelf[bundle.id])
    #expect(found.source == .downloaded && found.origin == FakeServer.address)
    #expect(bench.names == [bundle.id, bundle.id + ".json"] && bench.shelf.unfinished == 0)
    // Once is enough.
    await model.look()
    guard case .failed(let sentence, nil) = model.state else {
      Issue.record("\(model.state)")
      return
    }
    #expect(sentence.contains("installed already"))
    await model.discard()
    #expect(model.state == .idle && bench.names.count == 2)
  }

  @Test func theMobileNetworkIsAskedFor() async throws {
    let bench = try ShelfBench(serving: try SealedBundle())
    let model = Self.model(bench, .cellular)
    await model.look()
    #expect(model.needsConsent && model.obstacle?.contains("mobile network") == true)
    await model.begin()
    guard case .offered = model.state else {
      Issue.record("\(model.state)")
      return
    }
    model.allowsCellular = true
    #expect(!model.needsConsent && model.obstacle == nil)
    await model.begin()
    guard case .finished = model.state else {
      Issue.record("\(model.state)")
      return
    }
  }

  @Test func itWaitsForANetworkThatIsAllowed() async throws {
    for (network, why) in [
      (Network.cellular, DownloadState.Pause.cellular), (.none, .offline),
    ] {
      let bench = try ShelfBench(serving: try SealedBundle())
      let model = Self.model(bench)
      await model.look()
      bench.server.onRequest { path, _ in
        guard path == Self.weights else { return }
        await MainActor.run { model.networkChanged(to: network) }
        try await Task.sleep(for: .seconds(20))  // until the download is cancelled
      }
      await model.begin()
      guard case .paused(_, _, let found) = model.state else {
        Issue.record("\(model.state)")
        continue
      }
      #expect(found == why && model.obstacle != nil)
      bench.server.onRequest(nil)
      model.networkChanged(to: .wifi)
      await eventually { if case .finished = model.state { true } else { false } }
    }
    // What the user paused does not go on by itself.
    let bench = try ShelfBench(serving: try SealedBundle())
    let model = Self.model(bench)
    await model.look()
    bench.server.onRequest { path, _ in
      guard path == Self.weights else { return }
      await MainActor.run { model.pause() }
      try await Task.sleep(for: .seconds(20))  // until the download is cancelled
    }
    await model.begin()
    model.networkChanged(to: .none)
    model.networkChanged(to: .wifi)
    for _ in 0..<20 { await Task.yield() }
    guard case .paused(_, _, .user) = model.state else {
      Issue.record("\(model.state)")
      return
    }
  }

  @Test func tooLittleSpaceIsSaidBefore() async throws {
    let bundle = try SealedBundle()
    let bench = try ShelfBench(serving: bundle)
    let model = Self.model(bench)
    await model.look()
    let offer = try #require(model.state.offer)
    let poor = DownloadOffer(
      address: offer.address, name: offer.name, bundle: offer.bundle, size: offer.size, have: 10,
      free: 20)
    #expect(poor.missing == offer.size - 10 && poor.missing > poor.free)
  }

  enum Way: CaseIterable { case pause, cancelTask }

  /// Paused at every request, in each way: it goes on from there, by the same model or after a kill.
  @Test(arguments: Way.allCases) func itStopsAtEveryRequest(_ way: Way) async throws {
    let bundle = try SealedBundle()
    let whole = try ShelfBench(serving: bundle)
    _ = await whole.download()
    let count = whole.server.requests.count
    #expect(count == bundle.manifest.files.count + 2)
    for number in 1..<count {
      for isKilled in [false, true] {
        let bench = try ShelfBench(serving: bundle)
        let model = Self.model(bench)
        await model.look()
        let task = Task { await model.begin() }
        bench.server.onRequest { _, now in
          guard now == number else { return }
          await MainActor.run { way == .pause ? model.pause() : task.cancel() }
        }
        await task.value
        // A task that is cancelled as the last file comes may have all of it.
        if case .finished = model.state, way == .cancelTask, number == count - 1 { continue }
        guard case .paused(let offer, let progress, .user) = model.state else {
          Issue.record("\(number): \(model.state)")
          continue
        }
        #expect(bench.shelf.bundles.isEmpty && progress.have <= offer.size)
        bench.server.onRequest(nil)
        let before = bench.server.requests.count
        if isKilled {
          let shelf = await bench.reopened()
          #expect(shelf.bundles.isEmpty)
          let next = DownloadModel(
            shelf: shelf, transport: bench.server, settings: ShelfBench.quick)
          await next.restore()
          #expect(next.address == FakeServer.address, "\(number)")
          guard case .paused(let again, let progress, .ended) = next.state else {
            Issue.record("\(number): \(next.state)")
            continue
          }
          #expect(again.bundle == bundle.id && again.name == offer.name && again.size == offer.size)
          #expect(progress.have <= offer.size)
          await next.begin()
          #expect(next.state == .finished(bundle.id) && shelf[bundle.id] != nil)
        } else {
          await model.begin()
          #expect(model.state == .finished(bundle.id))
        }
        // What came before does not come again.
        #expect(bench.server.requests.count - before <= count - number + 1)
        #expect(bench.names == [bundle.id, bundle.id + ".json"])
      }
    }
  }

  @Test func lookingIsCancelled() async throws {
    let bench = try ShelfBench(serving: try SealedBundle())
    let model = Self.model(bench)
    bench.server.onRequest { _, _ in await MainActor.run { model.cancel() } }
    await model.look()
    #expect(model.state == .idle)
  }

  @Test func whatFailsIsSaidAndCanGoOn() async throws {
    let bundle = try SealedBundle()
    let bench = try ShelfBench(serving: bundle)
    let model = Self.model(bench)
    await model.look()
    bench.server.put(Self.weights, nil)
    await model.begin()
    guard case .failed(let sentence, _?) = model.state else {
      Issue.record("\(model.state)")
      return
    }
    #expect(sentence.contains("weight.bin") && model.obstacle == nil)
    #expect(bench.shelf.bundles.isEmpty)
    bench.server.put(Self.weights, try bundle.files[Self.weights])
    await model.begin()
    #expect(model.state == .finished(bundle.id))
    for (address, words) in [("nowhere", "owner/name"), (FakeServer.address + "/other", "404")] {
      let model = Self.model(bench, .wifi, address)
      await model.look()
      guard case .failed(let sentence, nil) = model.state else {
        Issue.record("\(model.state)")
        continue
      }
      #expect(sentence.contains(words), "\(sentence)")
    }
  }

  @Test func whatIsDiscardedIsGone() async throws {
    let bench = try ShelfBench(serving: try SealedBundle())
    let model = Self.model(bench)
    await model.look()
    bench.server.onRequest { path, _ in
      guard path == Self.weights else { return }
      await MainActor.run { model.pause() }
      try await Task.sleep(for: .seconds(20))  // until the download is cancelled
    }
    await model.begin()
    await bench.shelf.refresh()
    #expect(bench.shelf.unfinished > 0 && bench.names.count == 2)
    await model.discard()
    #expect(model.state == .idle && bench.names.isEmpty && bench.shelf.unfinished == 0)
    #expect(bench.shelf.bundles.isEmpty)
  }

  /// The app is killed at every change of the disk: the bundle is there, or the download goes on.
  @Test func aKillAnywhereLosesNothing() async throws {
    let bundle = try SealedBundle()
    let whole = try ShelfBench(serving: bundle)
    let first = Self.model(whole)
    await first.look()
    whole.dying.die(at: .max)
    await first.begin()
    var restored = 0
    for number in 0..<whole.dying.changes {
      let bench = try ShelfBench(serving: bundle)
      let model = Self.model(bench)
      await model.look()
      bench.dying.die(at: number)
      await model.begin()
      let isWhole = bench.names.contains {
        $0 == bundle.id || $0.hasPrefix("download-") && !$0.contains(".")
      }
      let next = await bench.reopened()
      if !isWhole {
        #expect(next.bundles.isEmpty && next.problems.isEmpty, "\(number)")
        let again = Self.model(bench, shelf: next)
        await again.restore()
        if again.state.offer == nil { await again.look() } else { restored += 1 }
        await again.begin()
        #expect(again.state == .finished(bundle.id), "\(number): \(again.state)")
      }
      #expect(next.bundles.map(\.id) == [bundle.id] && next.problems.isEmpty, "\(number)")
      #expect(next[bundle.id]?.source == .downloaded, "\(number)")
      #expect(bench.names == [bundle.id, bundle.id + ".json"], "\(number): \(bench.names)")
    }
    #expect(restored > 10)
  }

  @Test func theSpeedIsThatOfTheLastSeconds() {
    var speed = Speed(at: .zero)
    #expect(speed.came(100, at: .milliseconds(500)) == nil)
    #expect(speed.came(100, at: .seconds(2)) == 100)
    var last: Double?
    for second in 3...30 { last = speed.came(7, at: .seconds(second)) }
    #expect(last == 7)
  }
}
