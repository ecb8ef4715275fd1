import Foundation
import MobileO
import Testing

@Suite(.serialized) struct TokenizerTests {
  static let miniature = Goldens.root + "/mobileo_export/assets/miniature"

  @Test(arguments: Goldens.all) func miniatureTokensAreThoseOfTheLibrary(_ set: Goldens) throws {
    try compare(set, "miniature", Tokenizer(folder: Self.miniature))
  }

  @Test(.enabled(if: Goldens.sweep != nil, Goldens.noSweep))
  func qwen2TokensAreThoseOfTheLibrary() throws {
    let set = try #require(Goldens.sweep)
    try compare(set, "qwen2", Tokenizer(folder: set.folder + "/qwen2"))
  }

  @Test(.enabled(if: Goldens.sweep != nil, Goldens.noSweep))
  func slowFilesAreTheSameTokenizer() throws {
    let set = try #require(Goldens.sweep)
    let fast = try Tokenizer(folder: set.folder + "/qwen2")
    let slow = try Tokenizer(folder: set.folder + "/qwen2-slow")
    let lines = try set.bytes("tokens-qwen2.jsonl").split(separator: 10).prefix(20000)
    for line in lines {
      let text = try #require(try JSONReader.document(Array(line)).array?[0].string)
      #expect(slow.encode(text: text) == fast.encode(text: text))
    }
    #expect(slow.special("<image>") == 151648)
    #expect(slow.decode([151648, 64, 151645]) == "a")
  }

  @Test(.enabled(if: Goldens.sweep != nil, Goldens.noSweep)) func speed() throws {
    let set = try #require(Goldens.sweep)
    let clock = ContinuousClock()
    let folder = set.folder + "/qwen2"
    var tokenizer = try Tokenizer(folder: folder)
    var loads: [Duration] = []
    for _ in 0..<5 { loads.append(try clock.measure { tokenizer = try Tokenizer(folder: folder) }) }
    print("sweep: Qwen2's tokenizer is loaded in \(loads.min() ?? .zero) at best, of five times")
    var texts: [String] = []
    _ = try set.eachLine("tokens-qwen2.jsonl") { texts.append($0.array?[0].string ?? "") }
    let long = texts.prefix(20000).joined(separator: "\n")
    var count = 0
    let spent = (0..<3).map { _ in clock.measure { count = tokenizer.encode(text: long).count } }
    print("sweep: \(long.utf8.count) bytes become \(count) tokens in \(spent.min() ?? .zero)")
  }

  private func compare(_ set: Goldens, _ name: String, _ tokenizer: Tokenizer) throws {
    var wrong = 0
    let count = try set.eachLine("tokens-\(name).jsonl") { line in
      let items = line.array ?? []
      let ids = tokenizer.encode(text: items[0].string ?? "")
      if ids != items[1].integers {
        wrong += 1
        if wrong < 9 { Issue.record("\(items[0].text) gives \(ids), not \(items[1].integers)") }
      }
      let decoded = Exact(tokenizer.decode(ids))
      if decoded != Exact(items[2].string ?? "") || Exact(streamed(ids, tokenizer)) != decoded {
        wrong += 1
        if wrong < 9 { Issue.record("\(ids) is read as \(decoded.text.debugDescription)") }
      }
    }
    let sequences = try set.eachLine("sequences-\(name).jsonl") { line in
      let (ids, decoded) = (line.array?[0].integers ?? [], line.array?[1].string ?? "")
      if Exact(tokenizer.decode(ids)) != Exact(decoded)
        || Exact(streamed(ids, tokenizer)) != Exact(decoded)
      {
        wrong += 1
        if wrong < 9 { Issue.record("\(ids) is read as another text than \(decoded)") }
      }
    }
    #expect(wrong == 0)
    #expect(!set.isSweep || count >= 150_000)
    set.report(count, "texts, ids, decoded and streamed (\(name)), \(wrong) differ")
    set.report(sequences, "sequences of ids (\(name))")
  }

  private func streamed(_ ids: [Int], _ tokenizer: Tokenizer) -> String {
    var streamer = TokenStreamer(tokenizer)
    return ids.map { streamer.push($0) }.joined() + streamer.finish()
  }

  @Test func onlyTheBeginningOfACharacterWaits() throws {
    let tokenizer = try Tokenizer(folder: Self.miniature)
    var streamer = TokenStreamer(tokenizer)
    let bytes = Array("é😀".utf8) + [0xFF, 0xE2, 0x41]
    let ids = try bytes.map { byte in
      try #require((0..<256).first { tokenizer.bytes(of: $0) == [byte] })
    }
    let texts = ["", "é", "", "", "", "😀", "\u{FFFD}", "", "\u{FFFD}A"]
    #expect(ids.map { streamer.push($0) } == texts)
    #expect(streamer.finish() == "")
  }

  @Test func whatAUserTypesIsText() throws {
    let tokenizer = try Tokenizer(folder: Self.miniature)
    let image = try #require(tokenizer.special("<image>"))
    #expect(!tokenizer.encode([.user("<image>")]).contains(image))
    #expect(tokenizer.encode([.recipe("<image>")]) == [image])
    #expect(tokenizer.decode([image]) == "")
    #expect(tokenizer.decode([-1, 1 << 40]) == "")
  }

  @Test func everySettingIsHonoredOrRefusedByName() throws {
    for (change, name) in Self.refused {
      let error = try #require(try failureAfter(change), "\(name) is let pass")
      #expect(error.kind == .tokenizer && error.description.contains(name), "\(error)")
    }
  }

  @Test func settingsWithoutEffectAreLetPass() throws {
    for change in Self.honored {
      #expect(try failureAfter(change) == nil, "\(change)")
    }
  }

  /// Texts of tokenizer.json, replaced, and what the refusal names.
  private static let refused: [([String: String], String)] = [
    ([#""NFC""#: #""NFKC""#], "normalizer"), ([#""NFC""#: #""Lowercase""#], "normalizer"),
    ([#""dropout":null"#: #""dropout":0.1"#], "dropout"),
    ([#""end_of_word_suffix":null"#: #""end_of_word_suffix":"</w>""#], "end_of_word_suffix"),
    (
      [#""continuing_subword_prefix":null"#: #""continuing_subword_prefix":"@@""#],
      "continuing_subword_prefix"
    ),
    ([#""type":"BPE""#: #""type":"Unigram""#], "model.type"),
    ([#""behavior":"Isolated""#: #""behavior":"Removed""#], "pre_tokenizer"),
    ([#""invert":false"#: #""invert":true"#], "pre_tokenizer"),
    ([#"\\p{N}|"#: #"\\p{N}{1,3}|"#], "pre_tokenizer"),
    ([#""add_prefix_space":false,"t"#: #""add_prefix_space":true,"t"#], "pre_tokenizer"),
    ([#""lstrip":false"#: #""lstrip":true"#], "lstrip"),
    ([#""rstrip":false"#: #""rstrip":true"#], "rstrip"),
    ([#""single_word":false"#: #""single_word":true"#], "single_word"),
    ([#""id":506"#: #""id":600"#], "does not follow the vocabulary"),
    ([#""decoder":{"#: #""decoder2":{"#], "decoder"),
    ([#""version":"1.0""#: #""unheard":1"#], "unheard"),
    ([#""ignore_merges":false"#: #""unheard":1"#], "unheard"),
    ([#""ignore_merges":false"#: #""ignore_merges":true"#], "ignore_merges"),
    ([#"{"type":"NFC"}"#: "null"], "normalizer"),
    ([#""use_regex":false"#: #""use_regex":true"#], "pre_tokenizer"),
  ]

  private static let honored: [[String: String]] = [
    [:], [#""truncation":null"#: #""truncation":{"max_length":4}"#],
    [#""padding":null"#: #""padding":{"strategy":{"Fixed":99}}"#],
    [#""dropout":null"#: #""dropout":0.0"#], [#""fuse_unk":false"#: #""fuse_unk":true"#],
    [#""byte_fallback":false"#: #""byte_fallback":true"#],
    [#""normalized":false"#: #""normalized":true"#],
    [#"{"type":"NFC"}"#: #"{"type":"Sequence","normalizers":[{"type":"NFC"}]}"#],
  ]

  /// What reading the miniature's tokenizer says after `change`, its other files taken away.
  private func failureAfter(_ change: [String: String]) throws -> MobileOError? {
    let scratch = try Scratch()
    let plain = try JSONReader.document(Files.read(Self.miniature + "/tokenizer.json"))
    var text = compact(plain)
    for (old, new) in change {
      let place = try #require(text.range(of: old), "\(old) is not in tokenizer.json")
      text.replaceSubrange(place, with: new)
    }
    try Files.write(Array(text.utf8), to: scratch.path + "/tokenizer.json")
    try Files.write(Array("{}".utf8), to: scratch.path + "/tokenizer_config.json")
    return failure { try Tokenizer(folder: scratch.path) }
  }

  private func compact(_ value: JSONValue) -> String {
    switch value {
    case .array(let items): "[" + items.map(compact).joined(separator: ",") + "]"
    case .object(let object):
      "{"
        + object.members.map { compact(.string($0.key)) + ":" + compact($0.value) }
        .joined(separator: ",") + "}"
    default: value.text
    }
  }

  @Test func filesThatContradictEachOtherAreRefused() throws {
    let scratch = try Scratch()
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try FileManager.default.copyItem(
        atPath: Self.miniature + "/" + name, toPath: scratch.path + "/" + name)
    }
    try Files.write(Array(#"{"<image>": 5}"#.utf8), to: scratch.path + "/added_tokens.json")
    let error = failure { try Tokenizer(folder: scratch.path) }
    #expect(error?.description.contains("different tokenizers") == true)
    let missing = failure { try Tokenizer(folder: scratch.path + "/nothing") }
    #expect(missing?.kind == .tokenizer && missing?.description.contains("tokenizer.json") == true)
  }

  @Test func damagedFilesAreRefusedAndNothingTraps() throws {
    let whole = try Files.read(Self.miniature + "/tokenizer.json")
    let scratch = try Scratch()
    try Files.write(Array("{}".utf8), to: scratch.path + "/tokenizer_config.json")
    var random = Philox(seed: 3)
    for round in 0..<300 {
      var bytes = whole
      if round % 3 == 0 {
        bytes = Array(bytes.prefix(Int(random.next() % UInt64(bytes.count))))
      } else {
        for _ in 0..<3 {
          bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(random.next() % 128)
        }
      }
      try Files.write(bytes, to: scratch.path + "/tokenizer.json")
      do {
        _ = try Tokenizer(folder: scratch.path).encode(text: "a red circle")
      } catch {
        #expect(error is MobileOError)
      }
    }
  }
}
