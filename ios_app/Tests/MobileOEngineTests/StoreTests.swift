import Foundation
import MobileO
import Testing

@testable import MobileOEngine

/// Models are compiled once, and are in their place whole or not at all.
@Suite struct StoreTests {
  /// A bundle, and stores of it as one start of the app after the other makes them.
  private final class Place {
    let scratch: Scratch
    let manifest: Manifest
    let core: FakeCoreML
    var folder: URL { scratch.url.appendingPathComponent("Bundles") }
    var bundle: URL { scratch.url.appendingPathComponent("bundle") }
    var own: String { folder.path + "/" + manifest.identity }
    var record: String { own + "/installed.json" }

    init(weights: Int = 64) throws {
      scratch = try Scratch()
      let bundle = scratch.url.appendingPathComponent("bundle")
      try ToyBundle.make(at: bundle, weights: weights)
      manifest = try Manifest(folder: bundle.path)
      core = FakeCoreML(manifest)
    }

    func store(
      disk: StoreDisk = .real, system: String = "18.0",
      hashedAtOnce: Int = 1 << 22, now: @escaping @Sendable () -> Duration = { .zero }
    ) -> CompiledStore {
      CompiledStore(
        folder: folder, bundle: bundle, manifest: manifest, runtime: core, disk: disk,
        hashedAtOnce: hashedAtOnce, system: system, now: now)
    }

    /// Everything below the bundle's own folder.
    var files: [String] { ((try? Files.everything(below: own)) ?? []).sorted() }
    var compiled: Int { core.phone.done.count }
  }

  private static let whole = [
    "installed.json", "transformer.mlmodelc/model.mil", "transformer.mlmodelc/weights/weight.bin",
  ]

  @Test func aModelIsCompiledOnce() async throws {
    let place = try Place()
    let (reasons, store) = (Reasons(), place.store())
    for _ in 0..<2 {
      let url = try await store.compiled("dit") { reasons.add($0) }
      #expect(url.path == place.own + "/transformer.mlmodelc")
    }
    let next = place.store()
    _ = try await next.compiled("dit") { reasons.add($0) }
    #expect(reasons.all == [.first] && place.compiled == 1 && place.files == Self.whole)
    let model = try #require(await next.models["dit"])
    #expect(model.files.map(\.path) == ["model.mil", "weights/weight.bin"] && model.size == 71)
    try Data([1]).write(to: place.folder.appendingPathComponent(".DS_Store"))
    #expect(CompiledStore.sizes(in: place.folder).keys.sorted() == [place.manifest.identity])
    #expect(try #require(CompiledStore.sizes(in: place.folder).values.first) > 71)
    try await next.removeAll()
    #expect(CompiledStore.sizes(in: place.folder) == [:])
    _ = try await next.compiled("dit") { reasons.add($0) }
    #expect(reasons.all == [.first, .first])
    try CompiledStore.remove(place.manifest.identity, in: place.folder)
    try CompiledStore.remove("another", in: place.folder)
    #expect(place.files == [])
  }

  @Test func killedAtAnyChangeOfTheDiskItIsWholeOrMadeAnew() async throws {
    for isAfter in [false, true] {
      var kill = 0
      while true {
        let place = try Place()
        // One that is damaged is replaced while another is left alone: all changes are in it.
        let first = place.store()
        _ = try await first.compiled("dit")
        _ = try await first.compiled("mcp")
        try Data("other".utf8).write(
          to: URL(fileURLWithPath: place.own + "/transformer.mlmodelc/model.mil"))
        let dying = DyingDisk(at: kill, isAfter: isAfter)
        let error = await failing {
          _ = try await place.store(disk: dying.disk).compiled("dit")
        }
        #expect((error?.kind == .space) == dying.isDead)
        let next = place.store()
        let url = try await next.compiled("dit")
        #expect(
          try Data(contentsOf: url.appendingPathComponent("model.mil")) == Data("program".utf8))
        #expect(
          place.files.filter { $0.contains("transformer") || $0.contains("installed") }
            == Self.whole, "killed at \(kill): \(place.files)")
        #expect(await next.models.keys.sorted() == ["dit", "mcp"])
        let before = place.compiled
        _ = try await next.compiled("mcp")
        _ = try await place.store().compiled("dit")
        #expect(place.compiled == before, "what is whole is not compiled again")
        if !dying.isDead { break }
        kill += 1
      }
      #expect(kill >= 8)
    }
  }

  @Test func killedOrRefusedWhileItCompilesNothingIsLeft() async throws {
    let place = try Place()
    let store = place.store()
    place.core.set { $0.uncompilable = ["dit"] }
    let error = await failing { _ = try await store.compiled("dit") }
    #expect(error?.kind == .bundle)
    #expect(
      error?.description.contains("cannot compile transformer.mlpackage (it is no model)") == true)
    #expect(place.files == [])
    place.core.set { $0.uncompilable = [] }
    _ = try await store.compiled("dit")
    #expect(place.files == Self.whole)
  }

  @Test(arguments: [
    "", "{", "[]", "null", "{\"format\": \"mobileo-installed\"}",
    "{\"format\": \"other\", \"version\": 1, \"identity\": \"IDENTITY\", \"models\": {}}",
    "{\"format\": \"mobileo-installed\", \"version\": 2, \"identity\": \"IDENTITY\", \"models\": {}}",
    "{\"format\": \"mobileo-installed\", \"version\": 1, \"identity\": \"0\", \"models\": {}}",
    "{\"format\": \"mobileo-installed\", \"version\": 1, \"identity\": \"IDENTITY\", \"models\": []}",
  ])
  func aDamagedRecordIsNone(_ text: String) async throws {
    let place = try Place()
    _ = try await place.store().compiled("dit")
    let bytes = text.replacingOccurrences(of: "IDENTITY", with: place.manifest.identity)
    try Data(bytes.utf8).write(to: URL(fileURLWithPath: place.record))
    let reasons = Reasons()
    let next = place.store()
    #expect(await next.models == [:])
    _ = try await next.compiled("dit") { reasons.add($0) }
    #expect(reasons.all == [.unfinished] && place.files == Self.whole)
  }

  @Test func aRecordThatWasChangedAnywhereIsNeverBelieved() async throws {
    let place = try Place()
    _ = try await place.store().compiled("dit")
    let record = URL(fileURLWithPath: place.record)
    let healthy = [UInt8](try Data(contentsOf: record))
    for length in stride(from: 0, to: healthy.count, by: 11) {
      // Cut off, and with one byte changed.
      for bytes in [Array(healthy[..<length]), healthy.enumerated().map { $0 == length ? 33 : $1 }]
      {
        try Data(bytes).write(to: record)
        let next = place.store()
        let url = try await next.compiled("dit")
        #expect(FileManager.default.fileExists(atPath: url.path + "/weights/weight.bin"))
        #expect(place.files == Self.whole)
      }
    }
    let endless = String(decoding: healthy, as: UTF8.self).replacingOccurrences(
      of: "\"size\": 64", with: "\"size\": \(Int.max)")
    try Data(endless.utf8).write(to: record)
    #expect(await place.store().models == [:])
  }

  @Test func whatIsDamagedIsCompiledAnew() async throws {
    let damages: [(String, (String) throws -> Void)] = [
      ("cut off", { try Data("prog".utf8).write(to: URL(fileURLWithPath: $0 + "/model.mil")) }),
      ("changed", { try Data("progrum".utf8).write(to: URL(fileURLWithPath: $0 + "/model.mil")) }),
      ("gone", { try FileManager.default.removeItem(atPath: $0 + "/weights/weight.bin") }),
      ("more", { try Data().write(to: URL(fileURLWithPath: $0 + "/more")) }),
      ("no folder", { try FileManager.default.removeItem(atPath: $0) }),
      (
        "a link",
        {
          try FileManager.default.removeItem(atPath: $0 + "/model.mil")
          try FileManager.default.createSymbolicLink(
            atPath: $0 + "/model.mil", withDestinationPath: "weights/weight.bin")
        }
      ),
    ]
    for (name, damage) in damages {
      let place = try Place()
      _ = try await place.store().compiled("dit")
      try damage(place.own + "/transformer.mlmodelc")
      let reasons = Reasons()
      _ = try await place.store().compiled("dit") { reasons.add($0) }
      #expect(reasons.all == [.damaged] && place.files == Self.whole, "\(name)")
    }
  }

  @Test func changedWeightsAreFoundByReadingThemAll() async throws {
    let place = try Place()
    let store = place.store(hashedAtOnce: 64)
    _ = try await store.compiled("dit")
    _ = try await store.compiled("mcp")
    #expect(try await store.damaged() == [])
    let path = place.own + "/transformer.mlmodelc/weights/weight.bin"
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try file.write(contentsOf: Data([7]))
    try file.close()
    let next = place.store(hashedAtOnce: 64)
    _ = try await next.compiled("dit")
    #expect(place.compiled == 2, "weights are looked at by size")
    #expect(try await next.damaged() == ["dit"])
    let reasons = Reasons()
    _ = try await next.compiled("dit") { reasons.add($0) }
    #expect(reasons.all == [.unfinished] && place.compiled == 3)
    #expect(try await next.damaged() == [])
  }

  @Test func anotherBundleHasItsOwn() async throws {
    let place = try Place()
    _ = try await place.store().compiled("dit")
    let other = place.scratch.url.appendingPathComponent("other")
    try ToyBundle.make(at: other, weights: 65)
    let manifest = try Manifest(folder: other.path)
    let store = CompiledStore(
      folder: place.folder, bundle: other, manifest: manifest, runtime: FakeCoreML(manifest))
    _ = try await store.compiled("dit")
    #expect(CompiledStore.sizes(in: place.folder).count == 2)
    try await store.removeAll()
    #expect(place.files == Self.whole)
    // A record that was copied from one to the other is not believed.
    try FileManager.default.copyItem(
      atPath: place.own, toPath: place.folder.path + "/" + manifest.identity)
    let copied = CompiledStore(
      folder: place.folder, bundle: other, manifest: manifest, runtime: FakeCoreML(manifest))
    #expect(await copied.models == [:])
    // Nor one whose model was made of other packages.
    let text = try String(contentsOfFile: place.record, encoding: .utf8)
    let source = try #require(await place.store().models["dit"]?.source)
    try text.replacingOccurrences(of: source, with: String(source.reversed())).write(
      toFile: place.record, atomically: true, encoding: .utf8)
    let reasons = Reasons()
    _ = try await place.store().compiled("dit") { reasons.add($0) }
    #expect(reasons.all == [.foreign])
  }

  @Test func aPackageThatIsNotWhatWasSealedIsNotCompiled() async throws {
    let place = try Place()
    let path = place.bundle.path + "/transformer.mlpackage/weight.bin"
    try Data(repeating: 9, count: 64).write(to: URL(fileURLWithPath: path))
    for damage in ["changed", "short", "gone"] {
      if damage == "short" { try Data().write(to: URL(fileURLWithPath: path)) }
      if damage == "gone" { try FileManager.default.removeItem(atPath: path) }
      let error = await failing { _ = try await place.store().compiled("dit") }
      #expect(error?.kind == .bundle)
      #expect(
        error?.description.contains("dit: transformer.mlpackage/weight.bin is missing or damaged")
          == true)
    }
    #expect(place.compiled == 0 && place.files == [])
    let unknown = await failing { _ = try await place.store().compiled("other") }
    #expect(unknown?.kind == .bundle)
    let llm = await failing { _ = try await place.store().compiled("llm") }
    #expect(llm?.description.contains("llm is mlx in this bundle, not mlpackage") == true)
  }

  @Test func packagesOfWhatIsCompiledMayGo() async throws {
    let place = try Place()
    let store = place.store()
    _ = try await store.compiled("dit")
    _ = try await store.compiled("mcp")
    try Data("damage!".utf8).write(
      to: URL(fileURLWithPath: place.own + "/connector.mlmodelc/model.mil"))
    let package = place.manifest.files.filter { $0.path.hasPrefix("transformer") }
    #expect(try await store.removePackages() == package.reduce(0) { $0 + $1.size })
    let left = try Files.everything(below: place.bundle.path).filter { $0.contains("mlpackage") }
    #expect(left.count == 6 && !left.contains { $0.hasPrefix("transformer") })
    #expect(try await store.removePackages() == 0)
    // What is compiled does not miss it; what was damaged has its own still.
    _ = try await place.store().compiled("dit")
    _ = try await place.store().compiled("mcp")
    #expect(place.compiled == 3)
    try FileManager.default.removeItem(atPath: place.own)
    let error = await failing { _ = try await place.store().compiled("dit") }
    #expect(error?.description.contains("download the bundle again") == true)
  }

  @Test func cancelledItLetsTheCompilationEndAndKeepsIt() async throws {
    let place = try Place()
    let store = place.store()
    let (begun, goOn) = (Flag(), Flag())
    place.core.set {
      $0.isCompiling = {
        begun.raise()
        while !goOn.isRaised { await Task.yield() }
      }
    }
    let task = Task { try await store.compiled("dit") }
    while !begun.isRaised { await Task.yield() }
    let second = Task { try await store.compiled("mcp") }
    try await Task.sleep(for: .milliseconds(20))
    #expect(place.core.phone.done == [.compile("dit")], "one at a time")
    task.cancel()
    second.cancel()
    await #expect(throws: CancellationError.self) { _ = try await second.value }
    goOn.raise()
    _ = try await task.value
    #expect(place.files == Self.whole)
    _ = try await place.store().compiled("dit")
    #expect(place.core.phone.done == [.compile("dit")])
  }

  @Test func timesAreKept() async throws {
    let place = try Place()
    let clock = Ticks()
    let store = place.store(now: { clock.tick() })
    _ = try await store.compiled("dit")
    #expect(await store.models["dit"]?.compileSeconds == 1)
    #expect(await store.isCold("dit"))
    await store.loaded("dit", seconds: 40, isCold: true)
    #expect(await !store.isCold("dit"))
    await store.loaded("dit", seconds: 2, isCold: false)
    await store.loaded("other", seconds: 2, isCold: false)
    let next = place.store()
    let model = try #require(await next.models["dit"])
    #expect(model.coldLoadSeconds == 40 && model.warmLoadSeconds == 2)
    #expect(await !next.isCold("dit"))
    #expect(await place.store(system: "18.1").isCold("dit"), "an update prepares anew")
  }

  @Test func whatIsCompiledIsKeptOutOfBackups() async throws {
    let place = try Place()
    let excluded = Reasons()
    var disk = StoreDisk.real
    disk.excludeFromBackup = { excluded.note($0) }
    _ = try await place.store(disk: disk).compiled("dit")
    #expect(excluded.notes == [place.own])
  }
}

/// What was told, from any thread.
final class Reasons: @unchecked Sendable {
  private let lock = NSLock()
  private var reasons: [CompileReason] = []
  private var texts: [String] = []

  func add(_ reason: CompileReason) { lock.withLock { reasons.append(reason) } }
  func note(_ text: String) { lock.withLock { texts.append(text) } }
  var all: [CompileReason] { lock.withLock { reasons } }
  var notes: [String] { lock.withLock { texts } }
}

/// Raised once.
final class Flag: @unchecked Sendable {
  private let lock = NSLock()
  private var raised = false

  func raise() { lock.withLock { raised = true } }
  var isRaised: Bool { lock.withLock { raised } }
}

/// A clock that goes on by a second whenever it is asked.
final class Ticks: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0

  func tick() -> Duration {
    lock.withLock {
      count += 1
      return .seconds(count)
    }
  }
}

/// The file system until a change of it; then the app is dead, and no change happens any more.
final class DyingDisk: @unchecked Sendable {
  private struct Death: Error {}
  private let lock = NSLock()
  private var left: Int
  private var dead = false
  private let isAfter: Bool

  /// Dies at the change of this number, before or after it.
  init(at number: Int, isAfter: Bool) { (left, self.isAfter) = (number, isAfter) }

  var isDead: Bool { lock.withLock { dead } }

  private func change(_ body: () throws -> Void) throws {
    let (isLast, wasDead) = lock.withLock {
      let wasDead = dead
      if left == 0 { dead = true }
      left -= 1
      return (dead && !wasDead, wasDead)
    }
    if wasDead { throw Death() }
    if !isLast || isAfter { try body() }
    if isLast { throw Death() }
  }

  var disk: StoreDisk {
    let real = StoreDisk.real
    return StoreDisk(
      makeFolder: { path in try self.change { try real.makeFolder(path) } },
      move: { from, to in try self.change { try real.move(from, to) } },
      rename: { from, to in try self.change { try real.rename(from, to) } },
      remove: { path in try self.change { try real.remove(path) } },
      write: { path, bytes in try self.change { try real.write(path, bytes) } },
      excludeFromBackup: { path in try self.change { try real.excludeFromBackup(path) } })
  }
}
