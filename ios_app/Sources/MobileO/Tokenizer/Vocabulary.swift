/// The tokens of a byte-level BPE vocabulary, found by text and by id without a `String` for each.
struct Vocabulary: Sendable {
  /// Texts one behind the other, as the file spells them.
  private var texts: [UInt8] = []
  private var ends: [Int32] = []
  private var ids: [Int32] = []
  /// A hash of the text in the upper half, the entry's number from 1 in the lower; 0 is empty.
  private var slots = [UInt64](repeating: 0, count: 1 << 12)
  /// By id: which entry it is, −1 where there is none.
  private var entries: [Int32] = []

  /// Ids up to this are stored; more no model has.
  static let largestID = 1 << 22

  /// How many tokens there are.
  var count: Int { ids.count }

  init(capacity: Int) { texts.reserveCapacity(capacity * 8) }

  /// Adds a token; false when its text or its id is there already, or the id means nothing.
  mutating func add(_ text: ArraySlice<UInt8>, id: Int) -> Bool {
    guard id >= 0, id <= Self.largestID else { return false }
    if id >= entries.count {
      let more = max(id + 1 - entries.count, entries.count / 2)
      entries.append(contentsOf: repeatElement(-1, count: more))
    }
    guard entries[id] < 0, self.id(of: text) == nil else { return false }
    if (ids.count + 1) * 5 > slots.count * 3 { grow() }
    let hash = text.withUnsafeBufferPointer(Self.hash)
    texts.append(contentsOf: text)
    ends.append(Int32(texts.count))
    ids.append(Int32(id))
    entries[id] = Int32(ids.count - 1)
    insert(UInt64(hash) << 32 | UInt64(ids.count))
    return true
  }

  /// The id of a token's text; `guess` is looked at first.
  func id(of text: ArraySlice<UInt8>, guess: Int? = nil) -> Int? {
    text.withUnsafeBufferPointer { text in
      if let guess, guess < entries.count, entries[guess] >= 0, equals(Int(entries[guess]), text) {
        return guess
      }
      let hash = Self.hash(text)
      return slots.withUnsafeBufferPointer { slots in
        var place = Int(hash) & (slots.count - 1)
        while slots[place] != 0 {
          let entry = Int(slots[place] & 0xFFFF_FFFF) - 1
          if slots[place] >> 32 == UInt64(hash), equals(entry, text) { return Int(ids[entry]) }
          place = (place + 1) & (slots.count - 1)
        }
        return nil
      }
    }
  }

  /// The text of a token; nil where the id has none.
  func text(of id: Int) -> ArraySlice<UInt8>? {
    guard id >= 0, id < entries.count, entries[id] >= 0 else { return nil }
    return texts[range(Int(entries[id]))]
  }

  private func range(_ entry: Int) -> Range<Int> {
    (entry == 0 ? 0 : Int(ends[entry - 1]))..<Int(ends[entry])
  }

  @inline(__always)
  private func equals(_ entry: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let range = range(entry)
    if range.count != text.count { return false }
    return texts.withUnsafeBufferPointer { texts in
      for place in 0..<text.count where texts[range.lowerBound + place] != text[place] {
        return false
      }
      return true
    }
  }

  private mutating func insert(_ slot: UInt64) {
    var place = Int(slot >> 32) & (slots.count - 1)
    while slots[place] != 0 { place = (place + 1) & (slots.count - 1) }
    slots[place] = slot
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: 0, count: old.count * 2)
    for slot in old where slot != 0 { insert(slot) }
  }

  @inline(__always)
  private static func hash(_ text: UnsafeBufferPointer<UInt8>) -> UInt32 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
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
