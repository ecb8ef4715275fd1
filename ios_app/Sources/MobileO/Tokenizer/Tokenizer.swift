import Foundation

/// Text to token ids and back: the byte-level BPE of a bundle's language model, equal to the
/// `tokenizers` library's.
///
/// Nothing in a text is taken for a special token by ``encode(text:)``; the recipe's own texts are
/// encoded by ``encode(_:)``.
public struct Tokenizer: Sendable {
  /// A piece of a prompt.
  public enum Part: Sendable, Equatable {
    /// The recipe's: special tokens in it count.
    case recipe(String)
    /// What somebody typed: nothing in it is a special token.
    case user(String)
  }

  private let vocabulary: Vocabulary
  private let pairs: BytePairs
  private let known: [Int: (bytes: [UInt8], special: Bool)]
  /// Special tokens, the longest first; then words, found before normalization and behind it.
  private let specialTokens: AddedWords
  private let words: AddedWords
  private let normalizedWords: AddedWords

  /// The tokenizer whose files lie in `folder`: `tokenizer_config.json` with `tokenizer.json`, or with
  /// `vocab.json` and `merges.txt`.
  ///
  /// - Throws: ``MobileOError`` of kind `tokenizer`: a file is missing or damaged, two disagree, or a
  ///   setting asks for what this release does not do; the setting is named.
  public init(folder: String) throws {
    let slow = ["vocab.json", "merges.txt"].allSatisfy {
      Files.target(folder + "/" + $0) != .missing
    }
    guard Files.target(folder + "/" + TokenizerFile.config) != .missing,
      slow || Files.target(folder + "/" + TokenizerFile.fast) != .missing
    else {
      throw MobileOError(
        .tokenizer,
        "\(folder): no \(TokenizerFile.config) with \(TokenizerFile.fast) (or vocab.json and "
          + "merges.txt); copy the tokenizer files of the released checkpoint there")
    }
    let file = try TokenizerFile(folder: folder)
    vocabulary = file.vocabulary
    pairs = file.pairs
    known = Dictionary(
      uniqueKeysWithValues: file.added.map { token in
        (token.id, (ByteAlphabet.bytes(of: Array(token.text.utf8)[...]), token.special))
      })
    specialTokens = AddedWords(file.added.filter(\.special))
    words = AddedWords(file.added.filter { !$0.special && !$0.normalized })
    normalizedWords = AddedWords(file.added.filter { !$0.special && $0.normalized })
  }

  /// Ids of plain text.
  ///
  /// A token that was added to the vocabulary as a word, not as a special one, is a word.
  public func encode(text: String) -> [Int] {
    var ids: [Int32] = []
    words.split(Array(text.utf8)) { bytes, word in
      normalizedWords.split(Normalization.nfc(bytes)) { bytes, word in
        encode(bytes, into: &ids)
        if let word { ids.append(Int32(word)) }
      }
      if let word { ids.append(Int32(word)) }
    }
    return ids.map { Int($0) }
  }

  private func encode(_ bytes: [UInt8], into ids: inout [Int32]) {
    UnicodeClasses.shared.withTable { classes in
      bytes.withUnsafeBufferPointer { bytes in
        var scanner = WordScanner(bytes, classes: classes)
        while let word = scanner.next() {
          pairs.encode(UnsafeBufferPointer(rebasing: bytes[word]), into: &ids)
        }
      }
    }
  }

  /// Ids of a prompt. What stands between two special tokens is encoded in one go, whoever wrote it.
  public func encode(_ parts: [Part]) -> [Int] {
    var ids: [Int] = []
    var text = ""
    for part in parts {
      switch part {
      case .user(let typed): text += typed
      case .recipe(let written):
        specialTokens.split(Array(written.utf8)) { bytes, token in
          text += String(decoding: bytes, as: UTF8.self)
          guard let token else { return }
          ids += encode(text: text)
          ids.append(token)
          text = ""
        }
      }
    }
    return ids + encode(text: text)
  }

  /// The text of ids, special tokens left out; bytes that are no character become U+FFFD.
  public func decode(_ ids: [Int]) -> String {
    String(decoding: ids.flatMap { bytes(of: $0) }, as: UTF8.self)
  }

  /// The bytes that a token adds to a text: none of a special one or an id that means nothing.
  public func bytes(of id: Int) -> [UInt8] {
    if let token = known[id] { return token.special ? [] : token.bytes }
    return vocabulary.text(of: id).map(ByteAlphabet.bytes) ?? []
  }

  /// The id of a special token such as `<image>`; nil if there is none of that name.
  public func special(_ text: String) -> Int? { specialTokens.id(of: text) }
}

/// Tokens that are found in a text as they stand: from the left, the longest first.
private struct AddedWords: Sendable {
  private let words: [(text: [UInt8], id: Int)]

  init(_ tokens: [TokenizerFile.Added]) {
    words = tokens.map { (Array($0.text.utf8), $0.id) }.sorted { $0.text.count > $1.text.count }
  }

  func id(of text: String) -> Int? { words.first { $0.text.elementsEqual(text.utf8) }?.id }

  /// Calls `body` with what stands before each token and its id, and with the rest and nil.
  func split(_ bytes: [UInt8], _ body: ([UInt8], Int?) -> Void) {
    if words.isEmpty { return body(bytes, nil) }
    var start = 0
    var index = 0
    while index < bytes.count {
      guard let word = words.first(where: { bytes[index...].starts(with: $0.text) }) else {
        index += 1
        continue
      }
      body(Array(bytes[start..<index]), word.id)
      index += word.text.count
      start = index
    }
    body(Array(bytes[start...]), nil)
  }
}

/// Turns tokens into text as they come. Bytes that can still become a character wait for the next
/// token; all pieces together are what ``Tokenizer/decode(_:)`` makes of all ids.
public struct TokenStreamer: Sendable {
  private let tokenizer: Tokenizer
  private var waiting: [UInt8] = []
  /// What was pushed so far.
  public private(set) var ids: [Int] = []

  /// A stream that has seen nothing.
  public init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

  /// The text that `id` completes, possibly none.
  public mutating func push(_ id: Int) -> String {
    ids.append(id)
    waiting += tokenizer.bytes(of: id)
    let held = Self.unfinished(waiting)
    let text = String(decoding: waiting.dropLast(held), as: UTF8.self)
    waiting.removeFirst(waiting.count - held)
    return text
  }

  /// What was still waiting.
  public mutating func finish() -> String {
    defer { waiting = [] }
    return String(decoding: waiting, as: UTF8.self)
  }

  /// How many bytes at the end are the beginning of one character.
  private static func unfinished(_ bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let lead = bytes[bytes.count - count]
      if lead < 0x80 { return 0 }
      if lead < 0xC0 { continue }
      let second = count > 1 ? bytes[bytes.count - count + 1] : nil
      let length: Int
      let allowed: ClosedRange<UInt8>
      switch lead {
      case 0xC2...0xDF: (length, allowed) = (2, 0x80...0xBF)
      case 0xE0: (length, allowed) = (3, 0xA0...0xBF)
      case 0xED: (length, allowed) = (3, 0x80...0x9F)
      case 0xE1...0xEF: (length, allowed) = (3, 0x80...0xBF)
      case 0xF0: (length, allowed) = (4, 0x90...0xBF)
      case 0xF1...0xF3: (length, allowed) = (4, 0x80...0xBF)
      case 0xF4: (length, allowed) = (4, 0x80...0x8F)
      default: return 0
      }
      return count < length && second.map(allowed.contains) != false ? count : 0
    }
    return 0
  }
}
