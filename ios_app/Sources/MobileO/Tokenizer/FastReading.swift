/// Reads `tokenizer.json`: settings as values, vocabulary and merges straight into tables.
struct FastReading {
  private let path: String
  private var vocabulary: Vocabulary?
  private var lines: [UInt8] = []
  private var ends: [Int] = []
  private(set) var added: [TokenizerSettings.Declared] = []

  init(path: String) { self.path = path }

  mutating func read(_ bytes: [UInt8]) throws {
    var reader = JSONReader(bytes)
    var settings: [(key: String, value: JSONValue)] = []
    var model: [(key: String, value: JSONValue)] = []
    try reader.eachMember { reader, key in
      let name = String(decoding: key, as: UTF8.self)
      guard name == "model", reader.begins(with: "{") else {
        settings.append((name, try reader.value()))
        return
      }
      settings.append((name, .null))
      try reader.eachMember { reader, key in
        let name = String(decoding: key, as: UTF8.self)
        if name == "vocab", reader.begins(with: "{") {
          vocabulary = try TokenizerFile.readVocabulary(&reader)
          model.append((name, .null))
        } else if name == "merges", reader.begins(with: "[") {
          try readMerges(&reader)
          model.append((name, .null))
        } else {
          model.append((name, try reader.value()))
        }
      }
    }
    try reader.end()
    for members in [settings, model] {
      if let key = JSONObject(members).repeated {
        throw JSONReader.Problem(reason: "the key '\(key)' occurs twice")
      }
    }
    try check(model: JSONObject(model))
    try check(settings: JSONObject(settings))
  }

  /// The tables, of merges that are pairs of tokens of the vocabulary.
  func model() throws -> (Vocabulary, BytePairs) {
    guard let vocabulary else { throw JSONReader.Problem(reason: "it has no vocabulary") }
    var pairs = BytePairs(
      bytes: try TokenizerFile.alphabet(vocabulary), capacity: max(ends.count, 1))
    var (start, last) = (0, 0)
    for end in ends {
      last = try TokenizerFile.addMerge(lines[start..<end], to: &pairs, vocabulary, behind: last)
      start = end
    }
    return (vocabulary, pairs)
  }

  /// Merges as `"a b"` or as `["a", "b"]`, of which the latter become the former.
  private mutating func readMerges(_ reader: inout JSONReader) throws {
    try reader.eachElement { reader in
      if reader.begins(with: "[") {
        var count = 0
        try reader.eachElement { reader in
          if count > 0 { lines.append(32) }
          count += 1
          try reader.string(into: &lines)
        }
        if count != 2 { throw JSONReader.Problem(reason: "a merge is not two tokens") }
      } else {
        try reader.string(into: &lines)
      }
      ends.append(lines.count)
    }
  }

  private func check(model: JSONObject) throws {
    for (name, value) in model.members {
      switch name {
      case "type": try expect(value == "BPE", "model.type", value)
      case "dropout": try expect(value.isNull || value.double == 0, "model.dropout", value)
      case "continuing_subword_prefix", "end_of_word_suffix":
        try expect(value.isNull || value == "", "model.\(name)", value)
      case "ignore_merges": try expect(value != true, "model.ignore_merges", value)
      // Without effect where every byte has a token, which is asked for.
      case "unk_token", "fuse_unk", "byte_fallback": break
      case "vocab", "merges": break
      default: try expect(value.isNull, "model.\(name)", value)
      }
    }
  }

  private mutating func check(settings: JSONObject) throws {
    for (name, value) in settings.members {
      switch name {
      // What a file stores of padding and truncation belongs to whoever saved it: transformers
      // resets both when it loads, and prompts are cut by the prompter.
      case "version", "padding", "truncation": break
      case "model": break
      case "added_tokens": try readAdded(value)
      case "normalizer", "pre_tokenizer", "post_processor", "decoder": break
      default: try expect(value.isNull, name, value)
      }
    }
    for (name, holds) in [
      ("normalizer", Self.isQwen2(normalizer:)), ("pre_tokenizer", Self.isQwen2(preTokenizer:)),
      ("post_processor", Self.addsNothing), ("decoder", Self.isQwen2(decoder:)),
    ] {
      let value = settings[name] ?? .null
      try expect(holds(Self.steps(value)), name, value)
    }
  }

  private mutating func readAdded(_ value: JSONValue) throws {
    guard let entries = value.array else {
      throw JSONReader.Problem(reason: "added_tokens is no list")
    }
    added = try entries.map { entry in
      try TokenizerSettings.declared(
        entry["content"]?.string, entry["id"]?.integer, entry, path)
    }
  }

  /// The steps of a part: those of a sequence, none of null.
  private static func steps(_ value: JSONValue) -> [JSONValue] {
    guard value["type"] == "Sequence" else { return value.isNull ? [] : [value] }
    let names = ["normalizers", "pretokenizers", "processors", "decoders"]
    let inner = names.lazy.compactMap { value[$0]?.array }.first ?? []
    return inner.flatMap(steps)
  }

  private static func isQwen2(normalizer steps: [JSONValue]) -> Bool {
    steps.count == 1 && steps[0]["type"] == "NFC"
  }

  private static func isQwen2(preTokenizer steps: [JSONValue]) -> Bool {
    steps.count == 2 && steps[0]["type"] == "Split"
      && steps[0]["pattern"]?["Regex"] == .string(WordScanner.pattern)
      && steps[0]["behavior"] == "Isolated" && steps[0]["invert"] != true
      && steps[1]["type"] == "ByteLevel" && steps[1]["add_prefix_space"] == false
      && steps[1]["use_regex"] == false
  }

  private static func isQwen2(decoder steps: [JSONValue]) -> Bool {
    steps.count == 1 && steps[0]["type"] == "ByteLevel"
  }

  /// Prompts get no tokens but those of the recipe.
  private static func addsNothing(_ steps: [JSONValue]) -> Bool {
    steps.allSatisfy { step in
      let single = step["single"]?.array ?? []
      return step["type"] == "ByteLevel"
        || (step["type"] == "TemplateProcessing" && single.count == 1
          && single[0]["Sequence"] != nil)
    }
  }

  private func expect(_ holds: Bool, _ name: String, _ value: JSONValue) throws {
    if holds { return }
    let words = value.text.split { $0.isWhitespace }.joined(separator: " ")
    throw MobileOError(
      .tokenizer,
      "\(path): \(name) is \(words.prefix(200)), which this release does not do; use a byte-level "
        + "BPE as Qwen2's")
  }
}
