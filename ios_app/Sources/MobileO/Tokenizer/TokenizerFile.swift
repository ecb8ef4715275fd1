import Foundation

/// What the tokenizer files of a folder say, read and checked: every setting that would change a
/// token is honored, or refused by name.
struct TokenizerFile {
  /// A token that was added to the vocabulary.
  struct Added {
    let text: String
    let id: Int
    /// Left out of what is decoded, and never found in what a user types; others are words like any.
    var special: Bool
    /// Looked for behind normalization instead of before it.
    var normalized: Bool
  }

  let vocabulary: Vocabulary
  let pairs: BytePairs
  /// In the order of their ids.
  let added: [Added]

  static let fast = "tokenizer.json"
  static let config = "tokenizer_config.json"

  /// Reads the files in `folder`: `tokenizer.json`, or `vocab.json` and `merges.txt`.
  init(folder: String) throws {
    let fast = folder + "/" + Self.fast
    let isFast = Files.target(fast) != .missing
    let path = isFast ? fast : folder + "/vocab.json"
    do {
      let settings = try TokenizerSettings(folder: folder)
      var tokens = settings.added
      if isFast {
        var reading = FastReading(path: fast)
        try reading.read(Files.read(fast))
        (vocabulary, pairs) = try reading.model()
        tokens = reading.added + tokens
      } else {
        vocabulary = try Self.vocabulary(path)
        pairs = try Self.merges(folder + "/merges.txt", vocabulary)
      }
      added = try Self.placed(tokens, settings.special, vocabulary, path)
    } catch let problem as JSONReader.Problem {
      throw MobileOError(
        .tokenizer,
        "\(path): cannot be read (\(problem.reason)); copy the tokenizer files of the released "
          + "checkpoint")
    }
  }

  /// The tokens of all files, each once; their ids follow the vocabulary, as the library counts them.
  private static func placed(
    _ declared: [TokenizerSettings.Declared], _ special: Set<Exact>, _ vocabulary: Vocabulary,
    _ path: String
  ) throws -> [Added] {
    var tokens: [Exact: Added] = [:]
    var owners: [Int: String] = [:]
    for item in declared {
      let before = tokens[Exact(item.text)]
      if let before, before.id != item.id {
        throw MobileOError(
          .tokenizer,
          "\(item.path): token '\(item.text)' has id \(item.id), another file says \(before.id); "
            + "the files come from different tokenizers, copy those of one checkpoint")
      }
      if let other = owners.updateValue(item.text, forKey: item.id),
        Exact(other) != Exact(item.text)
      {
        throw MobileOError(
          .tokenizer,
          "\(item.path): tokens '\(other)' and '\(item.text)' share the id \(item.id); download the "
            + "tokenizer again")
      }
      let isSpecial = special.contains(Exact(item.text))
      var token =
        before ?? Added(text: item.text, id: item.id, special: isSpecial, normalized: !isSpecial)
      if let flags = item.flags {
        token.special = flags.special || isSpecial
        token.normalized = flags.normalized
      }
      tokens[Exact(item.text)] = token
    }
    let ordered = tokens.values.sorted { $0.id < $1.id }
    var next = vocabulary.count
    for token in ordered {
      guard token.id == vocabulary.id(of: Array(token.text.utf8)[...]) ?? next else {
        throw MobileOError(
          .tokenizer,
          "\(path): token '\(token.text)' has id \(token.id), which does not follow the vocabulary; "
            + "copy the tokenizer.json of the released checkpoint")
      }
      next = max(next, token.id + 1)
    }
    return ordered
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

  /// `merges.txt`: a pair a line, the first line may name a version.
  private static func merges(_ path: String, _ vocabulary: Vocabulary) throws -> BytePairs {
    var lines = try Files.read(path).split { $0 == 10 || $0 == 13 }[...]
    if lines.first?.starts(with: Array("#version".utf8)) == true { lines = lines.dropFirst() }
    var pairs = BytePairs(bytes: try alphabet(vocabulary), capacity: lines.count)
    var last = 0
    for line in lines { last = try addMerge(line, to: &pairs, vocabulary, behind: last) }
    return pairs
  }

  /// The id of each byte; the library drops bytes without one, which we refuse.
  static func alphabet(_ vocabulary: Vocabulary) throws -> [Int32] {
    try ByteAlphabet.letters.enumerated().map { byte, letter in
      guard let id = vocabulary.id(of: letter[...]) else {
        throw JSONReader.Problem(reason: "the vocabulary has no token for byte \(byte)")
      }
      return Int32(id)
    }
  }

  /// A merge as a text of two parts with one blank between; the id of what it makes, which mostly
  /// follows that of the merge before, `last`.
  static func addMerge(
    _ line: ArraySlice<UInt8>, to pairs: inout BytePairs, _ vocabulary: Vocabulary,
    behind last: Int
  ) throws -> Int {
    guard let blank = line.firstIndex(of: 32), line[(blank + 1)...].firstIndex(of: 32) == nil else {
      throw JSONReader.Problem(reason: "a merge is not two tokens")
    }
    let (left, right) = (line[..<blank], line[(blank + 1)...])
    guard let first = vocabulary.id(of: left), let second = vocabulary.id(of: right),
      let both = vocabulary.id(of: left + right, guess: last + 1)
    else {
      let shown = String(decoding: line, as: UTF8.self)
      throw JSONReader.Problem(reason: "the merge '\(shown)' is of tokens that are not there")
    }
    pairs.add(first, second, makes: both)
    return both
  }
}
