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
  private let split: Split
  private let normalizes: Bool
  private let ignoreMerges: Bool
  private let known: [Int: (text: String, special: Bool)]
  private let special: [(text: [UInt8], id: Int)]

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
    split = file.split
    normalizes = file.normalizes
    ignoreMerges = file.ignoreMerges
    known = file.known
    special = file.added.map { (Array($0.key.text.utf8), $0.value) }
      .sorted { $0.text.count > $1.text.count }
  }

  /// Ids of plain text.
  public func encode(text: String) -> [Int] {
    var bytes = Array(text.utf8)
    if normalizes { bytes = Normalization.nfc(bytes) }
    var ids: [Int32] = []
    ids.reserveCapacity(bytes.count / 3 + 4)
    UnicodeClasses.shared.withTable { classes in
      bytes.withUnsafeBufferPointer { bytes in
        var scanner = WordScanner(bytes, classes: classes, split: split)
        while let word = scanner.next() {
          let word = UnsafeBufferPointer(rebasing: bytes[word])
          if ignoreMerges, let id = whole(word) {
            ids.append(Int32(id))
          } else {
            pairs.encode(word, into: &ids)
          }
        }
      }
    }
    return ids.map { Int($0) }
  }

  /// Ids of a prompt. What stands between two special tokens is encoded in one go, whoever wrote it.
  public func encode(_ parts: [Part]) -> [Int] {
    var ids: [Int] = []
    var text = ""
    for part in parts {
      switch part {
      case .user(let typed): text += typed
      case .recipe(let written):
        for piece in pieces(Array(written.utf8)) {
          switch piece {
          case .text(let plain): text += plain
          case .token(let id):
            ids += encode(text: text)
            ids.append(id)
            text = ""
          }
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
    if let token = known[id] {
      return token.special ? [] : ByteAlphabet.bytes(of: Array(token.text.utf8)[...])
    }
    return vocabulary.text(of: id).map(ByteAlphabet.bytes) ?? []
  }

  /// The id of an added token such as `<image>`; nil if there is none of that name.
  public func special(_ text: String) -> Int? {
    special.first { $0.text.elementsEqual(text.utf8) }?.id
  }

  private func whole(_ word: UnsafeBufferPointer<UInt8>) -> Int? {
    vocabulary.id(of: word.flatMap { ByteAlphabet.letters[Int($0)] })
  }

  private enum Piece {
    case text(String)
    case token(Int)
  }

  /// Special tokens and what stands between them: from the left, the longest first.
  private func pieces(_ bytes: [UInt8]) -> [Piece] {
    var found: [Piece] = []
    var start = 0
    var index = 0
    while index < bytes.count {
      guard let token = special.first(where: { bytes[index...].starts(with: $0.text) }) else {
        index += 1
        continue
      }
      found.append(.text(String(decoding: bytes[start..<index], as: UTF8.self)))
      found.append(.token(token.id))
      index += token.text.count
      start = index
    }
    return found + [.text(String(decoding: bytes[start...], as: UTF8.self))]
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
