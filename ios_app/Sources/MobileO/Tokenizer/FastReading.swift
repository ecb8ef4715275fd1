/// Reads `tokenizer.json`: settings as values, vocabulary and merges straight into tables.
struct FastReading {
  private let path: String
  private var vocabulary: Vocabulary?
  private var lines: [UInt8] = []
  private var ends: [Int] = []
  private(set) var ignoreMerges = false
  private(set) var split = Split.whole
  private(set) var normalizes = false
  private(set) var added: [(text: String, id: Int, special: Bool)] = []

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
    var start = 0
    for end in ends {
      try TokenizerFile.addMerge(lines[start..<end], to: &pairs, vocabulary)
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

  private mutating func check(model: JSONObject) throws {
    for (name, value) in model.members {
      switch name {
      case "type": try expect(value == "BPE", "model.type", value)
      case "dropout": try expect(value.isNull || value.double == 0, "model.dropout", value)
      case "continuing_subword_prefix", "end_of_word_suffix":
        try expect(value.isNull || value == "", "model.\(name)", value)
      case "ignore_merges": ignoreMerges = value == true
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
      // What a file stores of padding and truncation belongs to whoever saved it: transformers resets
      // both when it loads, and prompts are cut by the prompter.
      case "version", "padding", "truncation": break
      // Prompts are encoded without the tokens that a post-processor adds.
      case "post_processor": break
      case "model": break
      case "added_tokens": try readAdded(value)
      case "normalizer": try readNormalizer(value)
      case "pre_tokenizer": try readPreTokenizer(value)
      case "decoder": try readDecoder(value)
      default: try expect(value.isNull, name, value)
      }
    }
    try expect(settings.contains("decoder"), "decoder", .null)
    try expect(settings.contains("pre_tokenizer"), "pre_tokenizer", .null)
  }

  private mutating func readAdded(_ value: JSONValue) throws {
    guard let entries = value.array else {
      throw JSONReader.Problem(reason: "added_tokens is no list")
    }
    for entry in entries {
      guard let text = entry["content"]?.string, !text.isEmpty, let id = entry["id"]?.integer,
        (0...Vocabulary.largestID).contains(id)
      else { throw JSONReader.Problem(reason: "an added token has no content or no id") }
      try TokenizerFile.checkFlags(entry, text, path)
      added.append((text, id, entry["special"] == true))
    }
  }

  private mutating func readNormalizer(_ value: JSONValue) throws {
    let steps =
      value["type"] == "Sequence"
      ? value["normalizers"]?.array ?? [value] : value.isNull ? [] : [value]
    for step in steps {
      try expect(step["type"] == "NFC", "normalizer", step)
      normalizes = true
    }
  }

  private mutating func readPreTokenizer(_ value: JSONValue) throws {
    let steps = value["type"] == "Sequence" ? value["pretokenizers"]?.array ?? [value] : [value]
    var isByteLevel = false
    for step in steps {
      switch step["type"] {
      case "Split" where split == .whole && !isByteLevel:
        let known =
          step["pattern"]?["Regex"] == .string(Split.qwen2Pattern)
          && step["behavior"] == "Isolated" && step["invert"] != true
        try expect(known, "pre_tokenizer", step)
        split = .qwen2
      case "ByteLevel" where !isByteLevel:
        try expect(step["add_prefix_space"] == false, "pre_tokenizer.add_prefix_space", true)
        // Without the field the library splits.
        if step["use_regex"] != false {
          try expect(split == .whole, "pre_tokenizer", value)
          split = .gpt2
        }
        isByteLevel = true
      default: try expect(false, "pre_tokenizer", step)
      }
    }
    try expect(isByteLevel, "pre_tokenizer", value)
  }

  private func readDecoder(_ value: JSONValue) throws {
    let steps = value["type"] == "Sequence" ? value["decoders"]?.array ?? [] : [value]
    try expect(steps.count == 1 && steps[0]["type"] == "ByteLevel", "decoder", value)
  }

  private func expect(_ holds: Bool, _ name: String, _ value: JSONValue) throws {
    if holds { return }
    let words = value.text.split { $0.isWhitespace }.joined(separator: " ")
    throw MobileOError(
      .tokenizer,
      "\(path): \(name) is \(words.prefix(200)), which this release does not do; use a byte-level BPE "
        + "as Qwen2's")
  }
}
