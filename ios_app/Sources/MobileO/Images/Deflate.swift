/// Bytes compressed as a zlib stream (RFC 1950), with the fixed codes of RFC 1951: a few per cent
/// larger than zlib makes it, and the same bytes on every platform.
struct Deflate {
  private var output: [UInt8] = [0x78, 0x5E]
  private var bits: UInt64 = 0
  private var filled = 0

  /// The zlib stream of `bytes`.
  static func zlib(_ bytes: [UInt8]) -> [UInt8] {
    var stream = Deflate()
    stream.put(0b011, 3)
    stream.compress(bytes)
    stream.literal(256)
    stream.put(0, (8 - stream.filled % 8) % 8)
    let sum = adler(bytes)
    stream.output += (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * UInt32($0))) }
    return stream.output
  }

  private mutating func compress(_ bytes: [UInt8]) {
    let window = 32768
    var heads = [Int32](repeating: -1, count: 1 << 15)
    var chain = [Int32](repeating: -1, count: window)
    var index = 0
    func slot(_ at: Int) -> Int {
      let key = UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16
      return Int((key &* 0x9E37_79B1) >> 17)
    }
    while index < bytes.count {
      var (best, distance) = (0, 0)
      if index + 3 <= bytes.count {
        let most = min(258, bytes.count - index)
        var candidate = Int(heads[slot(index)])
        var tries = 32
        while candidate >= 0, index - candidate <= window - 1, tries > 0 {
          var length = 0
          while length < most, bytes[candidate + length] == bytes[index + length] { length += 1 }
          if length > best { (best, distance) = (length, index - candidate) }
          if length == most { break }
          let earlier = Int(chain[candidate % window])
          candidate = earlier < candidate ? earlier : -1
          tries -= 1
        }
      }
      let step = best >= 3 ? best : 1
      if best >= 3 { match(length: best, distance: distance) } else { literal(Int(bytes[index])) }
      for place in index..<index + step where place + 3 <= bytes.count {
        let key = slot(place)
        chain[place % window] = heads[key]
        heads[key] = Int32(place)
      }
      index += step
    }
  }

  private mutating func match(length: Int, distance: Int) {
    let long = (Inflate.lengths.lastIndex { $0 <= length }) ?? 0
    literal(257 + long)
    put(length - Inflate.lengths[long], Inflate.lengthBits[long])
    let far = (Inflate.distances.lastIndex { $0 <= distance }) ?? 0
    code(far, 5)
    put(distance - Inflate.distances[far], Inflate.distanceBits[far])
  }

  private mutating func literal(_ symbol: Int) {
    switch symbol {
    case ..<144: code(0x30 + symbol, 8)
    case ..<256: code(0x190 + symbol - 144, 9)
    case ..<280: code(symbol - 256, 7)
    default: code(0xC0 + symbol - 280, 8)
    }
  }

  /// A Huffman code goes out from its highest bit.
  private mutating func code(_ value: Int, _ length: Int) {
    var reversed = 0
    for bit in 0..<length where value >> bit & 1 == 1 { reversed |= 1 << (length - 1 - bit) }
    put(reversed, length)
  }

  private mutating func put(_ value: Int, _ count: Int) {
    bits |= UInt64(value) << UInt64(filled)
    filled += count
    while filled >= 8 {
      output.append(UInt8(truncatingIfNeeded: bits))
      bits >>= 8
      filled -= 8
    }
  }

  private static func adler(_ bytes: [UInt8]) -> UInt32 {
    var (low, high): (UInt32, UInt32) = (1, 0)
    for start in stride(from: 0, to: bytes.count, by: 3800) {
      for byte in bytes[start..<min(start + 3800, bytes.count)] {
        low &+= UInt32(byte)
        high &+= low
      }
      low %= 65521
      high %= 65521
    }
    return high << 16 | low
  }
}
