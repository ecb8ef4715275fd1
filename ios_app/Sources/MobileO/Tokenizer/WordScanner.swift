/// How Qwen2 splits a text before bytes are paired: words with one character before them, numbers
/// digit by digit. A scanner over UTF-8 where the library has a regular expression.
struct WordScanner {
  /// The regular expression, as tokenizer.json spells it.
  static let pattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
    + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#

  private let bytes: UnsafeBufferPointer<UInt8>
  private let classes: UnsafeBufferPointer<UInt8>
  private var index = 0

  private static let word = UnicodeClasses.letter | UnicodeClasses.number

  init(_ bytes: UnsafeBufferPointer<UInt8>, classes: UnsafeBufferPointer<UInt8>) {
    (self.bytes, self.classes) = (bytes, classes)
  }

  /// The next word; nil at the end.
  mutating func next() -> Range<Int>? {
    guard index < bytes.count else { return nil }
    let start = index
    index = end(of: start)
    return start..<index
  }

  /// The alternatives of the expression, in their order.
  private func end(of start: Int) -> Int {
    if let end = contraction(start) { return end }
    let (first, second) = scalar(start)
    let kind = classes[Int(first)]
    if kind & UnicodeClasses.letter != 0 { return run(second, of: UnicodeClasses.letter) }
    if kind & UnicodeClasses.number != 0 { return second }
    let newline = first == 10 || first == 13
    if !newline, second < bytes.count, flags(at: second) & UnicodeClasses.letter != 0 {
      return run(second, of: UnicodeClasses.letter)
    }
    if let end = symbols(start, first, kind, second) {
      var end = end
      while end < bytes.count, bytes[end] == 10 || bytes[end] == 13 { end += 1 }
      return end
    }
    return blanks(start)
  }

  /// ` ?[^\s\p{L}\p{N}]+`
  private func symbols(_ start: Int, _ first: UInt32, _ kind: UInt8, _ second: Int) -> Int? {
    let none = Self.word | UnicodeClasses.blank
    var end = kind & none == 0 ? start : second
    guard kind & none == 0 || first == 32, end < bytes.count, flags(at: end) & none == 0 else {
      return nil
    }
    while end < bytes.count {
      let (value, after) = scalar(end)
      if classes[Int(value)] & none != 0 { break }
      end = after
    }
    return end
  }

  /// `\s*[\r\n]+`, `\s+(?!\S)`, `\s+`
  private func blanks(_ start: Int) -> Int {
    var (end, last, line) = (start, start, start)
    while end < bytes.count {
      let (value, after) = scalar(end)
      if classes[Int(value)] & UnicodeClasses.blank == 0 { break }
      last = end
      end = after
      if value == 10 || value == 13 { line = after }
    }
    if line > start { return line }
    if end == bytes.count || last == start { return max(end, scalar(start).1) }
    return last
  }

  private func run(_ from: Int, of flag: UInt8) -> Int {
    var end = from
    while end < bytes.count {
      let (value, after) = scalar(end)
      if classes[Int(value)] & flag == 0 { break }
      end = after
    }
    return end
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`; the long s (U+017F) is an s too.
  private func contraction(_ start: Int) -> Int? {
    guard bytes[start] == UInt8(ascii: "'"), start + 1 < bytes.count else { return nil }
    let first = bytes[start + 1] | 0x20
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    default: break
    }
    guard start + 2 < bytes.count else { return nil }
    if bytes[start + 1] == 0xC5, bytes[start + 2] == 0xBF { return start + 3 }
    switch (first, bytes[start + 2] | 0x20) {
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return start + 3
    default: return nil
    }
  }

  @inline(__always)
  private func flags(at: Int) -> UInt8 { classes[Int(scalar(at).0)] }

  /// The code point at a place of valid UTF-8, and the place of the next.
  @inline(__always)
  private func scalar(_ at: Int) -> (UInt32, Int) {
    let lead = UInt32(bytes[at])
    if lead < 0x80 { return (lead, at + 1) }
    let second = UInt32(bytes[at + 1] & 0x3F)
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | second, at + 2) }
    let third = UInt32(bytes[at + 2] & 0x3F)
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | second << 6 | third, at + 3) }
    return ((lead & 0x07) << 18 | second << 12 | third << 6 | UInt32(bytes[at + 3] & 0x3F), at + 4)
  }
}
