import Foundation
import MobileO
import MobileOApp
import Testing

/// A shelf in a folder of its own.
@MainActor struct ShelfBench {
  let scratch: Scratch
  let dying = DyingFiles()
  let server: FakeServer
  let shelf: BundleShelf
  let compiled: Box<[String: Int]>

  init(embedded: SealedBundle? = nil, serving bundle: SealedBundle? = nil) throws {
    scratch = try Scratch()
    server = FakeServer(try bundle?.files ?? [:])
    compiled = Box([:])
    shelf = Self.shelf(scratch, dying.files, server, dying.compiled(compiled), embedded)
  }

  static func shelf(
    _ scratch: Scratch, _ files: BundleFiles, _ server: FakeServer, _ compiled: CompiledFolders,
    _ embedded: SealedBundle?
  ) -> BundleShelf {
    BundleShelf(
      folder: URL(fileURLWithPath: scratch.path + "/Bundles"), embedded: embedded?.url,
      compiled: compiled, files: files, transport: server, settings: quick)
  }

  static var quick: DownloadSettings {
    var settings = DownloadSettings()
    settings.attempts = 2
    settings.firstPause = .milliseconds(1)
    settings.longestPause = .milliseconds(2)
    return settings
  }

  var folder: String { scratch.path + "/Bundles" }
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// The next start of the app.
  func reopened() async -> BundleShelf {
    dying.die(at: .max)
    let next = Self.shelf(scratch, dying.files, server, dying.compiled(compiled), nil)
    await next.refresh()
    return next
  }

  /// Downloads what the server has.
  func download() async -> DownloadModel {
    let model = DownloadModel(
      shelf: shelf, address: FakeServer.address, transport: server, settings: Self.quick)
    model.networkChanged(to: .wifi)
    await model.look()
    await model.begin()
    return model
  }
}

@MainActor @Suite struct BundleShelfTests {
  @Test func theEmbeddedBundleIsThereAtOnce() async throws {
    let bundle = try SealedBundle("inside")
    let bench = try ShelfBench(embedded: bundle)
    #expect(bench.shelf.bundles.isEmpty)
    await bench.shelf.refresh()
    let found = try #require(bench.shelf.bundles.first)
    #expect(found.id == bundle.id && found.name == "inside" && found.source == .embedded)
    #expect(found.parts.map(\.id).contains("dit") && found.parts.allSatisfy { !$0.title.isEmpty })
    #expect(found.size > 5000 && bench.shelf.used == 0)
    #expect(found.parts.first { $0.id == "dit" }?.size == 5000)
    await bench.shelf.delete(found.id)
    #expect(bench.shelf.notice?.contains("part of the app") == true)
    await bench.shelf.verify(found.id)
    #expect(bench.shelf[found.id]?.health == .sealed && bench.shelf.notice == nil)
    // It is not counted twice where it is imported too.
    await bench.shelf.importBundle(from: bundle.url)
    #expect(bench.shelf.bundles.count == 1)
  }

  @Test func aFolderIsImportedAndDeleted() async throws {
    let bundle = try SealedBundle("mine")
    let bench = try ShelfBench()
    let id = await bench.shelf.importBundle(from: bundle.url)
    #expect(id == bundle.id && bench.shelf.notice == nil && bench.shelf.activity == nil)
    let found = try #require(bench.shelf[bundle.id])
    #expect(found.source == .imported && found.origin == bundle.scratch.path)
    #expect(try Seal.verify(found.folder.path, bundle.manifest).isEmpty)
    #expect(bench.names == [bundle.id, bundle.id + ".json"])
    #expect(bench.shelf.used == found.size && bench.shelf.free == bench.dying.free)
    // Once is enough.
    #expect(await bench.shelf.importBundle(from: bundle.url) == nil)
    #expect(bench.shelf.notice?.contains("installed already") == true)
    bench.compiled.value[bundle.id] = 77
    await bench.shelf.refresh()
    #expect(bench.shelf.used == found.size + 77)
    bench.shelf.inUse = bundle.id
    await bench.shelf.delete(bundle.id)
    #expect(bench.shelf.notice?.contains("is open") == true && bench.shelf.bundles.count == 1)
    bench.shelf.inUse = nil
    await bench.shelf.delete(bundle.id)
    #expect(bench.shelf.bundles.isEmpty && bench.names.isEmpty && bench.shelf.notice == nil)
    #expect(bench.compiled.value.isEmpty, "what was compiled goes with it")
  }

  /// A half-made folder is no kill's as long as somebody is at work on it.
  @Test func aLookMeanwhileLeavesAnImportAlone() async throws {
    let bundle = try SealedBundle("mine")
    for _ in 0..<50 {
      let bench = try ShelfBench()
      let importing = Task { await bench.shelf.importBundle(from: bundle.url) }
      for _ in 0..<5 {
        await Task.yield()
        await bench.shelf.refresh()
      }
      #expect(await importing.value == bundle.id, "\(bench.shelf.notice ?? "")")
      let found = try #require(bench.shelf[bundle.id])
      #expect(try Seal.verify(found.folder.path, bundle.manifest).isEmpty)
    }
  }

  /// What is wrong is named, and nothing of it stays.
  @Test func whatIsNoBundleIsRefusedByName() async throws {
    func refused(
      _ words: String, _ damage: (SealedBundle, ShelfBench) throws -> Void,
      _ place: SourceLocation = #_sourceLocation
    ) async throws {
      let (bundle, bench) = (try SealedBundle(), try ShelfBench())
      try damage(bundle, bench)
      #expect(await bench.shelf.importBundle(from: bundle.url) == nil, sourceLocation: place)
      let notice = bench.shelf.notice ?? ""
      #expect(notice.contains(words), "\(notice)", sourceLocation: place)
      #expect(bench.names.isEmpty && bench.shelf.bundles.isEmpty, sourceLocation: place)
    }
    let weights = "/transformer.mlpackage/Data/weight.bin"
    try await refused("not a bundle") { bundle, _ in
      try FileManager.default.removeItem(atPath: bundle.scratch.path + "/manifest.json")
    }
    try await refused("weight.bin: content") { bundle, _ in
      try Files.write([UInt8](repeating: 1, count: 5000), to: bundle.scratch.path + weights)
    }
    try await refused("weight.bin: size") { bundle, _ in
      try Files.write([1, 2], to: bundle.scratch.path + weights)
    }
    try await refused("weight.bin: is missing") { bundle, _ in
      try FileManager.default.removeItem(atPath: bundle.scratch.path + weights)
    }
    try await refused("a link that leads outside") { bundle, _ in
      let path = bundle.scratch.path + weights
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.createSymbolicLink(
        atPath: path, withDestinationPath: "/etc/hostname")
    }
    try await refused("are free; make room") { _, bench in bench.dying.free = 3 }
    try await refused("not of pattern") { bundle, _ in
      let path = bundle.scratch.path + "/manifest.json"
      let text = try String(decoding: Files.read(path), as: UTF8.self)
        .replacingOccurrences(of: "transformer.mlpackage/Data/weight.bin", with: "../x")
      try Files.write(Array(text.utf8), to: path)
    }
  }

  /// The app is killed at every change that an import makes.
  @Test func aKillWhileImportingLeavesAllOrNothing() async throws {
    let bundle = try SealedBundle()
    let whole = try ShelfBench()
    await whole.shelf.importBundle(from: bundle.url)
    #expect(whole.dying.changes > 6)
    for number in 0..<whole.dying.changes {
      let bench = try ShelfBench()
      bench.dying.die(at: number)
      #expect(await bench.shelf.importBundle(from: bundle.url) == nil)
      let next = await bench.reopened()
      #expect(next.bundles.isEmpty && next.problems.isEmpty, "\(number)")
      #expect(bench.names.isEmpty, "\(number): \(bench.names)")
      await next.importBundle(from: bundle.url)
      #expect(next.bundles.map(\.id) == [bundle.id], "\(number)")
    }
  }

  /// The app is killed at every change that a deletion makes.
  @Test func aKillWhileDeletingLeavesAllOrNothing() async throws {
    let bundle = try SealedBundle()
    let whole = try ShelfBench()
    await whole.shelf.importBundle(from: bundle.url)
    whole.dying.die(at: .max)
    await whole.shelf.delete(bundle.id)
    let changes = whole.dying.changes
    #expect(changes >= 4)
    for number in 0..<changes {
      let bench = try ShelfBench()
      await bench.shelf.importBundle(from: bundle.url)
      bench.compiled.value[bundle.id] = 9
      bench.dying.die(at: number)
      await bench.shelf.delete(bundle.id)
      let next = await bench.reopened()
      #expect(next.problems.isEmpty)
      if let left = next[bundle.id] {
        #expect(try Seal.verify(left.folder.path, bundle.manifest).isEmpty, "\(number)")
        await next.delete(bundle.id)
      }
      #expect(next.bundles.isEmpty && bench.names.isEmpty, "\(number): \(bench.names)")
      #expect(bench.compiled.value.isEmpty, "\(number)")
    }
  }

  @Test func itStopsBetweenTwoFiles() async throws {
    let (bundle, bench) = (try SealedBundle(), try ShelfBench())
    let copied = Box(0)
    let real = bench.dying.files
    let files = BundleFiles(
      copy: { from, to in
        copied.value += 1
        if copied.value == 2 { withUnsafeCurrentTask { $0?.cancel() } }
        try real.copy(from, to)
      }, rename: real.rename, remove: real.remove, write: real.write,
      append: real.append, free: real.free)
    let shelf = ShelfBench.shelf(bench.scratch, files, bench.server, .none, nil)
    #expect(await shelf.importBundle(from: bundle.url) == nil)
    #expect(copied.value == 2 && shelf.notice == nil && shelf.activity == nil)
    #expect(bench.names.isEmpty)
  }

  @Test func oneThingAtATime() async throws {
    let (bundle, bench) = (try SealedBundle(), try ShelfBench())
    let shelf = bench.shelf
    async let first = shelf.importBundle(from: bundle.url)
    await eventually { shelf.activity != nil || shelf.bundles.count == 1 }
    if let activity = shelf.activity {
      #expect(activity.kind == .importing && !activity.name.isEmpty)
      await shelf.importBundle(from: bundle.url)
      #expect(shelf.notice?.contains("wait for it") == true)
    }
    #expect(await first == bundle.id)
  }

  @Test func whatIsBrokenIsFoundAndBroughtAnew() async throws {
    let bundle = try SealedBundle()
    let bench = try ShelfBench(serving: bundle)
    let model = await bench.download()
    #expect(model.state == .finished(bundle.id))
    let (shelf, id) = (bench.shelf, bundle.id)
    let place = try #require(shelf[id]).folder.path
    await shelf.verify(id)
    #expect(shelf[id]?.health == .sealed)
    let weights = "/transformer.mlpackage/Data/weight.bin"
    try Files.write([9], to: place + weights)
    try FileManager.default.removeItem(atPath: place + "/llm/config.json")
    try Files.write([9], to: place + "/extra.txt")
    await shelf.verify(id)
    guard case .broken(let problems) = shelf[id]?.health else {
      Issue.record("\(String(describing: shelf[id]))")
      return
    }
    #expect(Set(problems.map(\.kind)) == [.extra, .missing, .size])
    bench.compiled.value[id] = 5
    let before = bench.server.requests.count
    await shelf.repair(id)
    #expect(shelf.notice == nil && shelf[id]?.health == .sealed)
    #expect(
      Set(bench.server.requests.dropFirst(before)) == [weights, "/llm/config.json"],
      "nothing else is brought")
    #expect(try Seal.verify(place, bundle.manifest).isEmpty && bench.compiled.value.isEmpty)
    #expect(bench.names == [id, id + ".json"])
    // A sealed one needs nothing.
    let after = bench.server.requests.count
    await shelf.repair(id)
    #expect(bench.server.requests.count == after && shelf[id]?.health == .sealed)
  }

  @Test func aRepairThatCannotBeDoneSaysWhy() async throws {
    let bundle = try SealedBundle()
    let weights = "/transformer.mlpackage/Data/weight.bin"
    let imported = try ShelfBench()
    await imported.shelf.importBundle(from: bundle.url)
    try Files.write([9], to: imported.folder + "/" + bundle.id + weights)
    await imported.shelf.repair(bundle.id)
    #expect(imported.shelf.notice?.contains("import it again") == true)
    let bench = try ShelfBench(serving: bundle)
    _ = await bench.download()
    try Files.write([9], to: bench.folder + "/" + bundle.id + weights)
    bench.server.put(weights, nil)
    await bench.shelf.repair(bundle.id)
    #expect(bench.shelf.notice?.contains("weight.bin") == true)
    guard case .broken = bench.shelf[bundle.id]?.health else {
      Issue.record("it is still broken")
      return
    }
    // What came of a repair is no bundle, and its room is known.
    bench.server.put(weights, try bundle.files[weights])
    await bench.shelf.repair(bundle.id)
    #expect(bench.shelf[bundle.id]?.health == .sealed && bench.names.count == 2)
    let inside = try ShelfBench(embedded: bundle)
    await inside.shelf.refresh()
    try Files.write([9], to: bundle.scratch.path + weights)
    await inside.shelf.repair(bundle.id)
    #expect(inside.shelf.notice?.contains("install the app again") == true)
  }

  /// What a slow look saw does not replace what a later one did.
  @Test func looksComeOneAfterTheOther() async throws {
    let (bundle, bench) = (try SealedBundle(), try ShelfBench())
    let (looks, held) = (Box(0), DispatchSemaphore(value: 0))
    var files = bench.dying.files
    files.free = { _ in
      looks.value += 1
      if looks.value == 1 { held.wait() }
      return 1
    }
    let shelf = ShelfBench.shelf(bench.scratch, files, bench.server, .none, nil)
    async let first: Void = shelf.refresh()
    await eventually { looks.value == 1 }
    await bench.shelf.importBundle(from: bundle.url)
    async let second: Void = shelf.refresh()
    try await Task.sleep(for: .milliseconds(100))
    held.signal()
    _ = await (first, second)
    #expect(shelf.bundles.map(\.id) == [bundle.id])
  }

  @Test func aFolderThatCannotBeReadIsNamed() async throws {
    let (bundle, bench) = (try SealedBundle(), try ShelfBench())
    await bench.shelf.importBundle(from: bundle.url)
    try Files.write(Array("{".utf8), to: bench.folder + "/" + bundle.id + "/manifest.json")
    await bench.shelf.refresh()
    #expect(bench.shelf.bundles.isEmpty && bench.shelf.problems.map(\.id) == [bundle.id])
    #expect(bench.shelf.problems[0].sentence.contains("cannot be read"))
    await bench.shelf.deleteBroken(bundle.id)
    #expect(bench.shelf.problems.isEmpty && bench.names.isEmpty)
  }
}
