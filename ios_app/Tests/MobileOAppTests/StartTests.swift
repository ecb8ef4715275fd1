import Foundation
import MobileO
import MobileOApp
import Testing

@MainActor @Suite struct BeaconTests {
  private static let job = Job.edit(
    ToyBundle.picture, "make it blue", Request.Look(steps: 2, guidance: 1.5), seed: 1)

  /// Dying at every call: the next start knows the component and what was done with it.
  @Test func aDeathAtEveryCallIsKnownAtTheNextStart() async throws {
    let whole = try await Workbench()
    try await whole.studio.run(Self.job)
    var known: Set<String> = []
    for (number, call) in whole.engine.calls.enumerated() where !call.hasPrefix("close") {
      let table = try await Workbench()
      let left = Box<[String: [UInt8]]>([:])
      let memory = table.memory
      table.engine.onCall { _, now in
        if now == number { left.value = memory.content }  // what a kill leaves
      }
      try await table.studio.run(Self.job)
      let disk = MemoryDisk(left.value).disk
      let phase = try #require(Beacon(path: "beacon", disk: disk).lastDeath())
      let parts = call.split(separator: " ")
      #expect(phase.component == parts[1] && phase.activity == .edit)
      #expect(phase.call == (parts[0] == "load" ? .load : .run))
      #expect(phase.bundle == table.studio.model.manifest.identity)
      #expect(phase.sentence.contains(parts[1]) && phase.sentence.hasSuffix("."))
      known.insert(call)
      // The run ended: there is nothing to be told.
      #expect(table.memory.content.isEmpty)
    }
    #expect(known.count == 10)
  }

  @Test func itTellsOnce() async throws {
    let table = try await Workbench()
    let left = Box<[String: [UInt8]]>([:])
    let memory = table.memory
    table.engine.onCall { call, _ in if call == "run dit" { left.value = memory.content } }
    try await table.studio.run(Self.job)
    let disk = MemoryDisk(left.value)
    #expect(Beacon(path: "beacon", disk: disk.disk).lastDeath() != nil)
    #expect(Beacon(path: "beacon", disk: disk.disk).lastDeath() == nil)
  }

  /// It is written when the phase changes, not at every step.
  @Test func twentyStepsAreOnePhase() async throws {
    let table = try await Workbench()
    let look = Request.Look(steps: 20, guidance: 1.5)
    try await table.studio.run(.draw("a", look, seed: 1))
    // Load and run of four components, each written and renamed, and the end.
    #expect(table.memory.changes == 2 * 8 + 1)
  }

  @Test func whatCannotBeReadTellsNothing() {
    for text in ["", "{", "[]", #"{"intent": "draw"}"#, #"{"intent": "fly", "component": "dit"}"#] {
      let disk = MemoryDisk(["beacon": Array(text.utf8)])
      #expect(Beacon(path: "beacon", disk: disk.disk).lastDeath() == nil)
      #expect(disk.content.isEmpty)
    }
  }

  @Test func aFullDiskKeepsNobodyFromDrawing() async throws {
    let table = try await Workbench()
    table.memory.die(at: 0)
    guard case .finished = try await table.studio.run(Self.job) else {
      Issue.record("\(table.studio.state)")
      return
    }
  }
}

@Suite struct SettingsTests {
  private static func write(_ text: String) throws -> (Scratch, String) {
    let scratch = try Scratch()
    let path = scratch.path + "/settings.json"
    try Files.write(Array(text.utf8), to: path)
    return (scratch, path)
  }

  @Test func noFileIsTheDefaults() throws {
    let scratch = try Scratch()
    let (settings, problems) = AppSettings.read(scratch.path + "/settings.json")
    #expect(settings == AppSettings() && problems.isEmpty)
  }

  @Test func everythingComesBack() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/settings.json"
    var settings = AppSettings()
    settings.computeUnits = ["dit": .cpuAndGPU, "mcp": .cpuOnly]
    settings.memory = .drop
    settings.allowsReducedPrecision = true
    settings.coreAI = .cpuOnly
    settings.longestAnswer = 64
    settings.isSeedLocked = true
    try settings.write(path)
    let (found, problems) = AppSettings.read(path)
    #expect(found == settings && problems.isEmpty)
    try AppSettings().write(path)
    #expect(AppSettings.read(path).0 == AppSettings())
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).count == 1)
  }

  @Test func whatALaterReleaseWroteIsKept() throws {
    let (scratch, path) = try Self.write(
      #"{"memory": "drop", "hologram": {"depth": [1, 2.5]}, "theme": "dark"}"#)
    var (settings, problems) = AppSettings.read(path)
    #expect(problems.isEmpty && settings.memory == .drop)
    settings.memory = .keep
    try settings.write(path)
    let text = try Files.json(scratch.path + "/settings.json")
    #expect(text == ["hologram": ["depth": [1, .number(2.5)]], "theme": "dark"])
  }

  @Test(arguments: [
    ("memory", #""hoard""#), ("memory", "1"), ("compute_units", "[]"),
    ("compute_units", #"{"llm": "all"}"#), ("compute_units", #"{"dit": "tpu"}"#),
    ("core_ai", #""off""#), ("core_ai", "true"), ("reduced_precision", #""yes""#),
    ("longest_answer", "0"), ("longest_answer", "4097"),
    ("longest_answer", "1.5"), ("lock_seed", "null"),
  ]) func aValueThatCannotBeTakenIsNamed(_ key: String, _ value: String) throws {
    let (scratch, path) = try Self.write(#"{"\#(key)": \#(value), "other": 1}"#)
    let (settings, problems) = AppSettings.read(path)
    #expect(problems.count == 1 && problems.first?.contains(key) == true, "\(scratch.path)")
    #expect(settings.computeUnits.isEmpty && settings.memory == .keep)
    #expect(settings.longestAnswer == nil && !settings.isSeedLocked)
    #expect(!settings.allowsReducedPrecision && settings.coreAI == nil)
  }

  @Test(arguments: ["", "{", "[]", "7", #"{"memory": "drop", "memory": "keep"}"#])
  func aDamagedFileIsNamed(_ text: String) throws {
    let (scratch, path) = try Self.write(text)
    let (settings, problems) = AppSettings.read(path)
    #expect(settings == AppSettings() && problems.count == 1, "\(scratch.path)")
  }

  @Test func whatIsInvalidIsNotSaved() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/settings.json"
    var settings = AppSettings()
    settings.longestAnswer = 0
    #expect(settings.problem?.contains("0 tokens") == true)
    #expect(failure { try settings.write(path) }?.kind == .usage)
    settings.longestAnswer = 4096
    #expect(settings.problem == nil)
    settings.computeUnits = ["llm": .all]
    #expect(failure { try settings.write(path) }?.message.contains("llm") == true)
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  /// A kill at any change leaves the old settings or the new.
  @Test func aKillLosesNothing() throws {
    var settings = AppSettings()
    settings.memory = .drop
    for number in 0..<2 {
      let disk = MemoryDisk()
      try AppSettings().write("s", disk: disk.disk)
      disk.die(at: number)
      #expect(throws: MemoryDisk.Dead.self) { try settings.write("s", disk: disk.disk) }
      #expect(AppSettings.read("s", disk: disk.disk) == (AppSettings(), []))
    }
  }
}
