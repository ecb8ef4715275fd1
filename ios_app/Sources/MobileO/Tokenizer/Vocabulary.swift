/// The tokens of a byte-level BPE vocabulary, found by text and by id without a `String` for each.
struct Vocabulary: Sendable {
  /// Texts one behind the other, as the file spells them.
  private var texts: [UInt8] = []
  private var ends: [Int32] = []
  private var ids: [Int32] = []
  private var slots: [Int32] = []
  /// By id: which entry it is, −1 where there is none.
  private var entries: [Int32] = []

  /// Ids up to this are stored; more no model has.
  static let largestID = 1 << 22

  /// How many ids there are up to the largest; those of none count.
  var idCount: Int { entries.count }

  /// How many tokens there are.
  var count: Int { ids.count }

  init(capacity: Int) {
    texts.reserveCapacity(capacity * 8)
    slots = [Int32](repeating: -1, count: 1024)
  }

  /// Adds a token; false when its text or its id is there already, or the id means nothing.
  mutating func add(_ text: some Collection<UInt8>, id: Int) -> Bool {
    guard id >= 0, id <= Self.largestID else { return false }
    if id >= entries.count {
      entries += [Int32](repeating: -1, count: id + 1 - entries.count)
    }
    guard entries[id] < 0 else { return false }
    if (ids.count + 1) * 2 > slots.count { grow() }
    let start = texts.count
    texts.append(contentsOf: text)
    let place = slot(of: start..<texts.count)
    guard slots[place] < 0 else {
      texts.removeLast(texts.count - start)
      return false
    }
    slots[place] = Int32(ids.count)
    entries[id] = Int32(ids.count)
    ends.append(Int32(texts.count))
    ids.append(Int32(id))
    return true
  }

  /// The id of a token's text.
  func id(of text: some Collection<UInt8>) -> Int? {
    var place = Self.hash(text) & (slots.count - 1)
    while slots[place] >= 0 {
      let entry = Int(slots[place])
      if texts[range(entry)].elementsEqual(text) { return Int(ids[entry]) }
      place = (place + 1) & (slots.count - 1)
    }
    return nil
  }

  /// The text of a token; nil where the id has none.
  func text(of id: Int) -> ArraySlice<UInt8>? {
    guard id >= 0, id < entries.count, entries[id] >= 0 else { return nil }
    return texts[range(Int(entries[id]))]
  }

  private func range(_ entry: Int) -> Range<Int> {
    (entry == 0 ? 0 : Int(ends[entry - 1]))..<Int(ends[entry])
  }

  private func slot(of text: Range<Int>) -> Int {
    var place = Self.hash(texts[text]) & (slots.count - 1)
    while slots[place] >= 0, !texts[range(Int(slots[place]))].elementsEqual(texts[text]) {
      place = (place + 1) & (slots.count - 1)
    }
    return place
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 4)
    for entry in ids.indices { slots[slot(of: range(entry))] = Int32(entry) }
  }

  private static func hash(_ text: some Collection<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return Int(truncatingIfNeeded: (hash ^ hash >> 29) & 0x7FFF_FFFF)
  }
}

/// GPT-2's spelling of bytes as letters.
enum ByteAlphabet {
  /// By byte: its letter in UTF-8.
  static let letters: [[UInt8]] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      let plain =
        (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
      let code = plain ? UInt32(byte) : next
      next += plain ? 0 : 1
      return Unicode.Scalar(code).flatMap(UTF8.encode).map { Array($0) } ?? []
    }
  }()

  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, letter) in letters.enumerated() {
      bytes[Int(code(letter[...]).0)] = UInt8(byte)
    }
    return bytes
  }()

  /// The bytes that a token stands for: one a letter; the text itself if a letter is none of these.
  static func bytes(of text: ArraySlice<UInt8>) -> [UInt8] {
    var found: [UInt8] = []
    found.reserveCapacity(text.count)
    var rest = text
    while !rest.isEmpty {
      let (value, length) = code(rest)
      guard value < 0x144, let byte = bytes[Int(value)] else { return Array(text) }
      found.append(byte)
      rest = rest.dropFirst(length)
    }
    return found
  }

  private static func code(_ text: ArraySlice<UInt8>) -> (UInt32, Int) {
    let lead = UInt32(text[text.startIndex])
    if lead < 0x80 { return (lead, 1) }
    if lead < 0xE0, text.count > 1 {
      return ((lead & 0x1F) << 6 | UInt32(text[text.startIndex + 1] & 0x3F), 2)
    }
    return (0xFFFF, 1)
  }
}
