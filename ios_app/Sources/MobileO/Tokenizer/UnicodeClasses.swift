/// Classes of code points that the splits of a tokenizer name, and what normalization asks first.
struct UnicodeClasses: Sendable {
  static let letter: UInt8 = 1
  static let number: UInt8 = 2
  static let blank: UInt8 = 4
  /// May change under NFC, alone or behind another character.
  static let unstable: UInt8 = 8

  static let shared = UnicodeClasses()

  private let table: [UInt8]

  private init() {
    var table = [UInt8](repeating: 0, count: 0x11_0000)
    for (text, flag) in [
      (UnicodeTables.letters, Self.letter), (UnicodeTables.numbers, Self.number),
      (UnicodeTables.blanks, Self.blank),
    ] {
      for word in text.utf8.split(separator: UInt8(ascii: " ")) {
        for code in HexRange.of(word) { table[code] |= flag }
      }
    }
    for code in Normalization.unstable { table[code] |= Self.unstable }
    self.table = table
  }

  @inline(__always)
  func callAsFunction(_ scalar: UInt32) -> UInt8 { table[Int(scalar)] }

  func withTable<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
    try table.withUnsafeBufferPointer(body)
  }
}

/// `41-5A` and `AA`, as the tables have them.
enum HexRange {
  static func of(_ text: Substring.UTF8View) -> ClosedRange<Int> {
    let ends = text.split(separator: UInt8(ascii: "-"), maxSplits: 1)
    let first = ends.first.map(number) ?? 0
    return first...max(first, ends.last.map(number) ?? 0)
  }

  static func number(_ digits: Substring.UTF8View) -> Int {
    digits.reduce(0) { sum, byte in
      sum << 4 | Int(byte < 0x3A ? byte - 0x30 : byte - 0x37)
    }
  }
}
