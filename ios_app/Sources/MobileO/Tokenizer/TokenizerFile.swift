import Foundation

/// What the tokenizer files of a folder say, read and checked: every setting that would change a
/// token is honored, or refused by name.
struct TokenizerFile {
  var vocabulary: Vocabulary
  var pairs: BytePairs
  /// A word that is a token as a whole is not taken apart.
  var ignoreMerges = false
  var split = Split.qwen2
  var normalizes = true
  /// By text: the added tokens of all files.
  var added: [Exact: Int] = [:]
  /// By id: text, and whether decoding leaves it out.
  var known: [Int: (text: String, special: Bool)] = [:]

  static let fast = "tokenizer.json"
  static let config = "tokenizer_config.json"

  /// Reads the files in `folder`: `tokenizer.json`, or `vocab.json` and `merges.txt`.
  init(folder: String) throws {
    let fast = folder + "/" + Self.fast
    let isFast = Files.target(fast) != .missing
    let path = isFast ? fast : folder + "/vocab.json"
    do {
      let others = try Self.otherAddedTokens(folder)
      if isFast {
        var reading = FastReading(path: fast)
        try reading.read(Files.read(fast))
        (vocabulary, pairs) = try reading.model()
        ignoreMerges = reading.ignoreMerges
        (split, normalizes) = (reading.split, reading.normalizes)
        try place(reading.added, path: fast)
      } else {
        vocabulary = try Self.vocabulary(path)
        pairs = try Self.merges(folder + "/merges.txt", vocabulary)
        let ordered = others.sorted { $0.id < $1.id }
        try place(ordered.map { ($0.text, $0.id, true) }, path: path)
      }
      for token in others {
        let before = added.updateValue(token.id, forKey: Exact(token.text))
        if let before, before != token.id {
          throw MobileOError(
            .tokenizer,
            "\(token.path): token '\(token.text)' has id \(token.id), another file says \(before); "
              + "the files come from different tokenizers, copy those of one checkpoint")
        }
      }
    } catch let problem as JSONReader.Problem {
      throw MobileOError(
        .tokenizer,
        "\(path): cannot be read (\(problem.reason)); copy the tokenizer files of the released "
          + "checkpoint")
    }
  }

  /// Added tokens get the ids behind the vocabulary in the order of the file, as the library does it.
  private mutating func place(
    _ tokens: [(text: String, id: Int, special: Bool)], path: String
  ) throws {
    var last: Int?
    for token in tokens {
      let own = vocabulary.id(of: Array(token.text.utf8)) ?? added[Exact(token.text)]
      let next = last.map { max($0 + 1, vocabulary.count) } ?? vocabulary.count
      guard token.id == own ?? next else {
        throw MobileOError(
          .tokenizer,
          "\(path): token '\(token.text)' has id \(token.id), which does not follow the vocabulary; "
            + "copy the tokenizer.json of the released checkpoint")
      }
      last = max(last ?? 0, token.id)
      added[Exact(token.text)] = token.id
      known[token.id] = (token.text, token.special)
    }
  }

  private typealias Named = (text: String, id: Int, path: String)

  /// Added tokens of `added_tokens.json` and `tokenizer_config.json`.
  private static func otherAddedTokens(_ folder: String) throws -> [Named] {
    var found: [Named] = []
    let own = folder + "/added_tokens.json"
    if Files.target(own) != .missing {
      for (text, id) in try Files.json(own).object?.members ?? [] {
        found.append((text, try index(id.integer, text, own), own))
      }
    }
    let config = folder + "/" + Self.config
    let settings = try Files.json(config)
    for name in ["add_prefix_space", "add_bos_token", "add_eos_token", "split_special_tokens"]
    where settings[name] == true {
      throw MobileOError(
        .tokenizer,
        "\(config): \(name) is true, which this release does not do; set it to false if the model "
          + "was trained without")
    }
    for (id, entry) in settings["added_tokens_decoder"]?.object?.members ?? [] {
      guard let text = entry["content"]?.string else {
        throw JSONReader.Problem(reason: "an added token has no content")
      }
      try checkFlags(entry, text, config)
      found.append((text, try index(Int(id), text, config), config))
    }
    return found
  }

  private static func index(_ id: Int?, _ text: String, _ path: String) throws -> Int {
    guard let id, (0...Vocabulary.largestID).contains(id) else {
      throw JSONReader.Problem(reason: "token '\(text)' has an id which is no id")
    }
    return id
  }

  /// Flags that would change where an added token is found in a text.
  static func checkFlags(_ entry: JSONValue, _ text: String, _ path: String) throws {
    let plain = Array(text.utf8)
    let moves = entry["normalized"] == true && Normalization.nfc(plain) != plain
    for flag in ["single_word", "lstrip", "rstrip", "normalized"]
    where entry[flag] == true && (flag != "normalized" || moves) {
      throw MobileOError(
        .tokenizer,
        "\(path): added token '\(text)' has \(flag) set, which this release does not do; use the "
          + "tokenizer.json of the released checkpoint")
    }
  }

  private static func vocabulary(_ path: String) throws -> Vocabulary {
    var reader = JSONReader(try Files.read(path))
    let vocabulary = try readVocabulary(&reader)
    try reader.end()
    return vocabulary
  }

  static func readVocabulary(_ reader: inout JSONReader) throws -> Vocabulary {
    var vocabulary = Vocabulary(capacity: 1 << 17)
    try reader.eachMember { reader, text in
      guard let id = try reader.value().integer, vocabulary.add(text, id: id) else {
        let name = String(decoding: text, as: UTF8.self)
        throw JSONReader.Problem(reason: "token '\(name)' occurs twice or has no id of its own")
      }
    }
    return vocabulary
  }

  /// `merges.txt`: a pair a line.
  private static func merges(_ path: String, _ vocabulary: Vocabulary) throws -> BytePairs {
    let bytes = try Files.read(path)
    let lines = bytes.split { $0 == 10 || $0 == 13 }.filter {
      !$0.starts(with: Array("#version".utf8))
    }
    var pairs = BytePairs(bytes: try alphabet(vocabulary), capacity: lines.count)
    for line in lines { try addMerge(line, to: &pairs, vocabulary) }
    return pairs
  }

  /// The id of each byte; the library drops bytes without one, which we refuse.
  static func alphabet(_ vocabulary: Vocabulary) throws -> [Int32] {
    try ByteAlphabet.letters.enumerated().map { byte, letter in
      guard let id = vocabulary.id(of: letter) else {
        throw JSONReader.Problem(reason: "the vocabulary has no token for byte \(byte)")
      }
      return Int32(id)
    }
  }

  /// A merge as a text of two parts with one blank between.
  static func addMerge(
    _ line: ArraySlice<UInt8>, to pairs: inout BytePairs, _ vocabulary: Vocabulary
  ) throws {
    guard let blank = line.firstIndex(of: 32), line[(blank + 1)...].firstIndex(of: 32) == nil else {
      throw JSONReader.Problem(reason: "a merge is not two tokens")
    }
    try addMerge(line[..<blank], line[(blank + 1)...], to: &pairs, vocabulary)
  }

  static func addMerge(
    _ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>, to pairs: inout BytePairs,
    _ vocabulary: Vocabulary
  ) throws {
    guard let first = vocabulary.id(of: left), let second = vocabulary.id(of: right),
      let both = vocabulary.id(of: left + right)
    else {
      let shown = String(decoding: left + [32] + right, as: UTF8.self)
      throw JSONReader.Problem(reason: "the merge '\(shown)' is of tokens that are not there")
    }
    pairs.add(first, second, makes: both)
  }
}
