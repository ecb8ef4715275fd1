import Foundation
import MobileO
import MobileOApp
import Testing

/// The app is killed at every change of the disk, half of a write among them.
@MainActor @Suite struct LibraryCrashTests {
  private static let folder = URL(fileURLWithPath: "/library")

  /// What was said to be saved, as the user knows it.
  private struct Known {
    var conversations: [UUID: Conversation] = [:]
    /// What was being saved, or deleted, when the app was killed.
    var changing: (id: UUID, to: Conversation?)?
    var pictures: Set<String> = []
  }

  /// A day with the library; `known` is what was done before the kill.
  private static func day(_ disk: Disk, _ known: inout Known) throws {
    let library = try Library(folder: folder, disk: disk)
    func save(_ conversation: Conversation) throws {
      known.changing = (conversation.id, conversation)
      try library.save(conversation)
      known.conversations[conversation.id] = conversation
      known.changing = nil
    }
    func add(_ seed: Int) throws -> String {
      let name = try library.add(picture: LibraryTests.png(seed))
      known.pictures.insert(name)
      return name
    }
    let photo = try add(1)
    var first = LibraryTests.conversation([LibraryTests.turn("what?", .ask, picture: photo)])
    try save(first)
    first.turns[0].reply = .answer(text: "A circle.", end: .stop, cut: 0)
    try save(first)
    var second = LibraryTests.conversation([LibraryTests.turn("a dog", .draw)], at: 1)
    try save(second)
    second.turns[0].reply = .picture(name: try add(2), stoppedAfter: nil, cut: 0)
    try save(second)
    second.name = "Dogs"
    known.changing = (second.id, second)
    try library.rename(second.id, to: "Dogs")
    known.conversations[second.id] = second
    known.changing = (first.id, nil)
    known.pictures.remove(photo)
    try library.delete(first.id)
    known.conversations[first.id] = nil
    known.changing = nil
  }

  @Test func aKillAtAnyChangeLosesNothingThatWasSaved() throws {
    let whole = MemoryDisk()
    var all = Known()
    try Self.day(whole.disk, &all)
    #expect(whole.changes > 15)
    for number in 0..<whole.changes {
      let memory = MemoryDisk()
      memory.die(at: number)
      var known = Known()
      #expect(throws: MemoryDisk.Dead.self) { try Self.day(memory.disk, &known) }
      memory.die(at: .max)
      for _ in 0..<2 {  // the start after the kill, and one more
        let library = try Library(folder: Self.folder, disk: memory.disk)
        #expect(library.problems.isEmpty, "change \(number): nothing is damaged")
        #expect(memory.content.keys.allSatisfy { !$0.hasSuffix(".partial") })
        var wanted = known.conversations
        if let (id, after) = known.changing {
          let found = library.conversation(id)
          #expect(found == wanted[id] || found == after, "change \(number): before or after")
          wanted[id] = found
        }
        let found = Dictionary(uniqueKeysWithValues: library.conversations.map { ($0.id, $0) })
        #expect(found == wanted, "change \(number)")
        let shown = library.conversations.reduce(into: Set<String>()) { $0.formUnion($1.pictures) }
        for name in shown.union(known.pictures) {
          #expect(throws: Never.self) { try library.picture(name) }
        }
        #expect(known.pictures.isSubset(of: shown.union(library.strays)), "none is out of sight")
      }
    }
  }

  /// What is set aside is somewhere, whenever the app is killed.
  @Test func aDamagedFileIsNeverLost() throws {
    let saved = LibraryTests.conversation([LibraryTests.turn("here")])
    let before = MemoryDisk()
    try Library(folder: Self.folder, disk: before.disk).save(saved)
    let damaged: [UInt8] = [1, 2, 3]
    before.content["/library/conversations/x.json"] = damaged
    before.content["/library/conversations/y.json.partial"] = [4]
    let whole = MemoryDisk(before.content)
    _ = try Library(folder: Self.folder, disk: whole.disk)
    #expect(whole.changes == 2)
    for number in 0..<2 {
      let memory = MemoryDisk(before.content)
      memory.die(at: number)
      let dying = try? Library(folder: Self.folder, disk: memory.disk)
      if let dying { #expect(dying.problems.first?.sentence.contains("left where it is") == true) }
      #expect(memory.content.values.contains(damaged))
      memory.die(at: .max)
      let library = try Library(folder: Self.folder, disk: memory.disk)
      #expect(library.conversations == [saved])
      #expect(memory.content["/library/damaged/x.json"] == damaged)
    }
  }

  /// A write that fails, of a full disk, changes neither the disk nor what is shown.
  @Test func aFullDiskChangesNothing() throws {
    let memory = MemoryDisk()
    let library = try Library(folder: Self.folder, disk: memory.disk)
    var saved = LibraryTests.conversation([LibraryTests.turn("here")])
    try library.save(saved)
    for number in 0..<2 {
      memory.die(at: number)
      saved.turns.append(LibraryTests.turn("more"))
      #expect(throws: MemoryDisk.Dead.self) { try library.save(saved) }
      #expect(library.conversations.first?.turns.count == 1)
      memory.die(at: .max)
      let found = try Library(folder: Self.folder, disk: memory.disk).conversations
      #expect(found == library.conversations)
    }
  }

  /// The file system itself: a folder that nothing can be written into is named.
  @Test func aPlaceThatCannotBeWrittenIsNamed() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url)
    try FileManager.default.removeItem(atPath: scratch.path + "/conversations")
    let saved = LibraryTests.conversation([LibraryTests.turn("here")])
    let error = failure { try library.save(saved) }
    #expect(error?.kind == .space && error?.message.contains("make room") == true)
    #expect(library.conversations.isEmpty)
  }
}
