import Foundation
import MobileO
import MobileOApp
import Testing

@MainActor @Suite struct LibraryTests {
  static let bundle = String(repeating: "ab", count: 32)

  static func turn(_ text: String, _ intent: Intent = .chat, picture: String? = nil) -> Turn {
    let look = intent.drawsPicture ? Request.Look(steps: 20, guidance: 1.1) : nil
    return Turn(
      Request(
        intent: intent, text: text, picture: picture, look: look, seed: .max - 1, bundle: bundle))
  }

  static func conversation(_ turns: [Turn], at seconds: Double = 0) -> Conversation {
    var made = Conversation(created: Date(timeIntervalSince1970: 1_700_000_000.7 + seconds))
    made.turns = turns
    return made
  }

  static func png(_ seed: Int) -> [UInt8] {
    PNG.encode(
      ToyBundle.made(width: 5, height: 4) { UInt8(truncatingIfNeeded: $0 * seed) },
      texts: [("prompt", "p\(seed)")])
  }

  /// A conversation with a turn of every kind.
  static func everything(_ library: Library) throws -> Conversation {
    let (photo, drawn) = (try library.add(picture: png(1)), try library.add(picture: png(2)))
    var turns = [
      turn("hello \u{1F600} e\u{301} \"\\"), turn("a red circle", .draw),
      turn("what is it?", .ask, picture: photo), turn("make it blue", .edit, picture: photo),
      turn("and again", .draw), turn("never begun"),
    ]
    turns[0].reply = .answer(text: "Hi!\nHow are you?", end: .length, cut: 3)
    turns[1].reply = .picture(name: drawn, stoppedAfter: nil, cut: 0)
    turns[2].reply = .answer(text: "A cir", end: .stopped, cut: 0)
    turns[3].reply = .failed(sentence: "There is no room.")
    turns[4].reply = .picture(name: nil, stoppedAfter: 0, cut: 0)
    return conversation(turns)
  }

  @Test func everythingComesBack() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url)
    #expect(library.conversations.isEmpty)
    var saved = try Self.everything(library)
    try library.save(saved)
    saved.name = "Shapes"
    try library.rename(saved.id, to: " Shapes")
    let later = Self.conversation([Self.turn("later")], at: 60)
    try library.save(later)
    for library in [library, try Library(folder: scratch.url)] {
      #expect(library.conversations.map(\.id) == [later.id, saved.id])
      let found = try #require(library.conversation(saved.id))
      #expect(found.turns == saved.turns && found.created == saved.created)
      #expect(found.title == "Shapes" && library.problems.isEmpty && library.strays.isEmpty)
      for name in found.pictures {
        #expect(try [Self.png(1), Self.png(2)].contains(library.bytes(of: name)))
        #expect(try library.picture(name).width == 5)
      }
    }
    #expect(try Files.everything(below: scratch.path).count == 4, "nothing else is left there")
  }

  @Test func titlesAreTheFirstWords() {
    #expect(Self.conversation([]).title == "New conversation")
    #expect(Self.conversation([Self.turn(" a\n b ")]).title == "a b")
    let long = Self.conversation([Self.turn(String(repeating: "word ", count: 40))]).title
    #expect(long.count == 60 && long.hasSuffix("…"))
  }

  @Test func aBlankNameBringsTheFirstWordsBack() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url)
    let saved = Self.conversation([Self.turn("first words")])
    try library.save(saved)
    try library.rename(saved.id, to: "Name\nof two lines")
    #expect(library.conversation(saved.id)?.title == "Name of two lines")
    try library.rename(saved.id, to: " ")
    #expect(library.conversation(saved.id)?.title == "first words")
    try library.rename(UUID(), to: "nobody")
    #expect(library.conversations.count == 1)
  }

  @Test func everyWordIsSearchedEverywhere() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url)
    var first = Self.conversation([Self.turn("Ein Café in München")])
    first.turns[0].reply = .answer(text: "Gerne.", end: .stop, cut: 0)
    var second = Self.conversation([Self.turn("a red circle", .draw)], at: 1)
    second.name = "Munich"
    for conversation in [first, second] { try library.save(conversation) }
    for (words, found) in [
      ("cafe", [first.id]), ("MUNCHEN gerne", [first.id]), ("red munich", [second.id]),
      ("red gerne", []), ("", [second.id, first.id]), (" \n", [second.id, first.id]),
      ("un", [second.id, first.id]),
    ] {
      #expect(library.search(words).map(\.id) == found, "\(words)")
    }
  }

  @Test func deletingKeepsPicturesThatAreShownElsewhere() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url)
    let (shared, own) = (
      try library.add(picture: Self.png(1)), try library.add(picture: Self.png(2))
    )
    #expect(library.strays == [shared, own].sorted())
    #expect(try library.add(picture: Self.png(1)) == shared, "equal bytes are one picture")
    var first = Self.conversation([Self.turn("a", .ask, picture: shared), Self.turn("b", .draw)])
    first.turns[1].reply = .picture(name: own, stoppedAfter: nil, cut: 0)
    let second = Self.conversation([Self.turn("c", .edit, picture: shared)], at: 1)
    for conversation in [first, second] { try library.save(conversation) }
    #expect(library.strays.isEmpty)
    try library.deletePicture(shared)
    #expect(try library.bytes(of: shared) == Self.png(1), "it is shown: it stays")
    try library.delete(first.id)
    try library.delete(UUID())
    #expect(library.conversations.map(\.id) == [second.id] && library.strays.isEmpty)
    #expect(try library.bytes(of: shared) == Self.png(1))
    #expect(failure { try library.bytes(of: own) }?.message.contains(own) == true)
    try library.delete(second.id)
    #expect(try Files.everything(below: scratch.path).isEmpty)
  }

  /// Damaged in every way: set aside by name with its bytes, and everything else is there.
  @Test(arguments: [
    "", "{", "[]", "\u{0}", #"{"format": "mobileo-conversation"}"#,
    #"{"format": "other", "version": 1}"#,
    #"{"format": "mobileo-conversation", "version": 1, "conversation": {"id": "1"}}"#,
    #"{"format": "mobileo-conversation", "version": "1"}"#,
  ]) func aDamagedConversationIsSetAside(_ text: String) throws {
    let scratch = try Scratch()
    let saved = Self.conversation([Self.turn("here")])
    try Library(folder: scratch.url).save(saved)
    let name = UUID().uuidString + ".json"
    for round in 1...2 {
      try Files.write(Array(text.utf8), to: scratch.path + "/conversations/" + name)
      let library = try Library(folder: scratch.url)
      #expect(library.conversations == [saved])
      let place = "damaged/" + (round == 1 ? name : "2-" + name)
      #expect(library.problems.map(\.path) == [place])
      #expect(library.problems.first?.sentence.contains("conversations/" + name) == true)
      #expect(try Files.read(scratch.path + "/" + place) == Array(text.utf8))
    }
    #expect(try Library(folder: scratch.url).problems.isEmpty, "it is said once")
  }

  @Test func aConversationUnderAnothersNameIsSetAside() throws {
    let scratch = try Scratch()
    let saved = Self.conversation([Self.turn("here")])
    try Library(folder: scratch.url).save(saved)
    let folder = scratch.path + "/conversations/"
    let bytes = try Files.read(folder + saved.id.uuidString + ".json")
    try Files.write(bytes, to: folder + "copy.json")
    try Files.write([0], to: folder + ".DS_Store")
    let library = try Library(folder: scratch.url)
    #expect(library.conversations == [saved] && library.problems.count == 1)
  }

  @Test func oneOfALaterReleaseStaysWhereItIs() throws {
    let scratch = try Scratch()
    let text = #"{"format": "mobileo-conversation", "version": 2, "all": "new"}"#
    let path = scratch.path + "/conversations/\(UUID().uuidString).json"
    _ = try Library(folder: scratch.url)
    try Files.write(Array(text.utf8), to: path)
    for _ in 0..<2 {
      let library = try Library(folder: scratch.url)
      #expect(library.conversations.isEmpty && library.problems.count == 1)
      #expect(library.problems.first?.sentence.contains("update the app") == true)
      #expect(try Files.read(path) == Array(text.utf8))
    }
  }

  @Test func aDamagedPictureIsSetAside() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url)
    let name = try library.add(picture: Self.png(1))
    var bytes = Self.png(1)
    bytes[30] ^= 1
    try Files.write(bytes, to: scratch.path + "/pictures/" + name)
    #expect(failure { try library.picture(name) }?.message.contains(name) == true)
    #expect(library.problems.map(\.path) == ["damaged/" + name])
    #expect(try Files.read(scratch.path + "/damaged/" + name) == bytes)
  }

  /// A name in a conversation that somebody sent leads nowhere.
  @Test func aPicturesNameLeadsNowhere() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url.appendingPathComponent("library"))
    try Files.write([1], to: scratch.path + "/secret.png")
    for name in ["../../secret.png", "../secret.png", "", ".png", "/etc/hosts", "a\u{0}.png"] {
      #expect(failure { try library.bytes(of: name) }?.kind == .usage, "\(name)")
    }
    #expect(library.problems.isEmpty)
    #expect(try Files.read(scratch.path + "/secret.png") == [1])
  }

  @Test func aFolderThatCannotBeMadeIsNamed() throws {
    let scratch = try Scratch()
    try Files.write([1], to: scratch.path + "/library")
    let place = scratch.url.appendingPathComponent("library")
    #expect(failure { try Library(folder: place) }?.message.contains("library") == true)
  }

  // MARK: Export

  @Test func anExportHoldsEverything() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url.appendingPathComponent("library"))
    let saved = try Self.everything(library)
    try library.save(saved)
    let export = try library.export(saved)
    #expect(export.missing.isEmpty && export.files.count == 4)
    let target = scratch.url.appendingPathComponent("shared")
    try export.write(to: target)
    for (name, bytes) in export.files {
      #expect(try Files.read(target.path + "/" + name) == bytes)
    }
    // The document is a conversation that a library reads.
    let copy = scratch.url.appendingPathComponent("copy")
    _ = try Library(folder: copy)
    let bytes = try #require(export.files["conversation.json"])
    try Files.write(bytes, to: copy.path + "/conversations/\(saved.id.uuidString).json")
    #expect(try Library(folder: copy).conversations == [saved])
    for name in saved.pictures {
      let file = try #require(export.files["pictures/" + name])
      #expect(try PNG.texts(file)["prompt"]?.hasPrefix("p") == true)
    }
    let text = String(decoding: export.files["conversation.md"] ?? [], as: UTF8.self)
    for line in [
      "# hello", "**You** (draw)", "> Hi\\!", "> How are you?", "*The longest answer was reached.*",
      "*20 steps, guidance 1.1, seed 18446744073709551614, bundle abababababab*", "*Stopped.*",
      "*Failed: There is no room.*", "*Stopped after step 0.*", "*Interrupted.*",
    ] {
      #expect(text.contains(line), "\(line)")
    }
    for name in saved.pictures { #expect(text.contains("](pictures/\(name))")) }
  }

  @Test func wordsCannotBecomeMarkup() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url)
    let hostile = Self.conversation([Self.turn("# a\n<script>x</script>\n![i](http://e)\n- `b`")])
    let export = try library.export(hostile)
    let text = String(decoding: export.files["conversation.md"] ?? [], as: UTF8.self)
    #expect(
      text.contains("> \\# a\n> \\<script\\>x\\</script\\>\n> \\!\\[i\\](http://e)\n> - \\`b\\`"))
  }

  @Test func aMissingPictureIsNamed() throws {
    let scratch = try Scratch()
    let library = try Library(folder: scratch.url)
    let name = String(repeating: "0", count: 64) + ".png"
    let saved = Self.conversation([Self.turn("what?", .ask, picture: name)])
    let export = try library.export(saved)
    #expect(export.missing == [name] && export.files.count == 2)
    let text = String(decoding: export.files["conversation.md"] ?? [], as: UTF8.self)
    #expect(text.contains("\(name) is missing") && !text.contains("](pictures"))
  }
}
