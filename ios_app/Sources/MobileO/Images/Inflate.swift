/// Raw and zlib-wrapped deflate (RFC 1950 and 1951), decompressed.
struct Inflate {
  struct Problem: Error {}

  private let bytes: ArraySlice<UInt8>
  private var index: Int
  private var bits: UInt64 = 0
  private var filled = 0
  private var output: [UInt8] = []
  private let limit: Int

  /// The content of the zlib stream `bytes`, at most `limit` bytes of it.
  static func zlib(_ bytes: ArraySlice<UInt8>, limit: Int) throws -> [UInt8] {
    guard bytes.count >= 6, let method = bytes.first, method & 15 == 8 else { throw Problem() }
    let flags = bytes[bytes.startIndex + 1]
    guard (Int(method) << 8 | Int(flags)) % 31 == 0, flags & 32 == 0 else { throw Problem() }
    var stream = Inflate(bytes.dropFirst(2), limit: limit)
    try stream.run()
    return stream.output
  }

  private init(_ bytes: ArraySlice<UInt8>, limit: Int) {
    self.bytes = bytes
    self.limit = limit
    index = bytes.startIndex
    output.reserveCapacity(min(limit, 1 << 26))
  }

  private mutating func run() throws {
    var last = false
    while !last {
      last = try take(1) == 1
      switch try take(2) {
      case 0: try stored()
      case 1: try compressed(Self.fixedLiterals, Self.fixedDistances)
      case 2:
        let (literals, distances) = try tables()
        try compressed(literals, distances)
      default: throw Problem()
      }
    }
  }

  private mutating func stored() throws {
    _ = try take(filled % 8)
    let length = try take(16)
    guard try take(16) == length ^ 0xFFFF else { throw Problem() }
    for _ in 0..<length { try append(UInt8(take(8))) }
  }

  private mutating func compressed(_ literals: Huffman, _ distances: Huffman) throws {
    while true {
      let symbol = try decode(literals)
      if symbol < 256 {
        try append(UInt8(symbol))
      } else if symbol == 256 {
        return
      } else {
        guard symbol < 286 else { throw Problem() }
        let code = symbol - 257
        let length = Self.lengths[code] + (try take(Self.lengthBits[code]))
        let far = try decode(distances)
        guard far < 30 else { throw Problem() }
        let distance = Self.distances[far] + (try take(Self.distanceBits[far]))
        guard distance <= output.count, output.count + length <= limit else { throw Problem() }
        for _ in 0..<length { output.append(output[output.count - distance]) }
      }
    }
  }

  private mutating func tables() throws -> (Huffman, Huffman) {
    let literals = try take(5) + 257
    let distances = try take(5) + 1
    let codes = try take(4) + 4
    var sizes = [Int](repeating: 0, count: 19)
    for place in 0..<codes { sizes[Self.order[place]] = try take(3) }
    let huffman = try Huffman(sizes)
    var lengths: [Int] = []
    while lengths.count < literals + distances {
      switch try decode(huffman) {
      case let plain where plain < 16: lengths.append(plain)
      case 16:
        guard let last = lengths.last else { throw Problem() }
        lengths += [Int](repeating: last, count: try take(2) + 3)
      case 17: lengths += [Int](repeating: 0, count: try take(3) + 3)
      default: lengths += [Int](repeating: 0, count: try take(7) + 11)
      }
    }
    guard lengths.count == literals + distances, lengths[256] > 0 else { throw Problem() }
    return (try Huffman(lengths[..<literals]), try Huffman(lengths[literals...]))
  }

  private mutating func append(_ byte: UInt8) throws {
    guard output.count < limit else { throw Problem() }
    output.append(byte)
  }

  private mutating func fill() {
    while filled <= 48, index < bytes.endIndex {
      bits |= UInt64(bytes[index]) << UInt64(filled)
      index += 1
      filled += 8
    }
  }

  private mutating func take(_ count: Int) throws -> Int {
    if filled < count { fill() }
    guard filled >= count else { throw Problem() }
    let value = Int(bits & (1 << UInt64(count) - 1))
    bits >>= UInt64(count)
    filled -= count
    return value
  }

  private mutating func decode(_ huffman: Huffman) throws -> Int {
    if filled < 15 { fill() }
    let entry = huffman.table[Int(bits & 0x7FFF)]
    let length = Int(entry & 15)
    guard length > 0, length <= filled else { throw Problem() }
    bits >>= UInt64(length)
    filled -= length
    return Int(entry >> 4)
  }

  /// A code by its next 15 bits: symbol and length at once.
  struct Huffman {
    let table: [UInt16]

    init(_ lengths: some Collection<Int>) throws {
      var counts = [Int](repeating: 0, count: 16)
      for length in lengths where length > 0 { counts[length] += 1 }
      var next = [Int](repeating: 0, count: 17)
      var code = 0
      for length in 1...15 {
        next[length] = code
        code += counts[length]
        guard code <= 1 << length else { throw Problem() }
        code <<= 1
      }
      var table = [UInt16](repeating: 0, count: 1 << 15)
      for (symbol, length) in lengths.enumerated() where length > 0 {
        var reversed = 0
        for bit in 0..<length where next[length] >> bit & 1 == 1 {
          reversed |= 1 << (length - 1 - bit)
        }
        next[length] += 1
        for place in stride(from: reversed, to: 1 << 15, by: 1 << length) {
          table[place] = UInt16(symbol << 4 | length)
        }
      }
      self.table = table
    }

    fileprivate init(fixed lengths: [Int]) { table = (try? Huffman(lengths))?.table ?? [] }
  }

  private static let fixedLiterals = Huffman(
    fixed: [Int](repeating: 8, count: 144) + [Int](repeating: 9, count: 112)
      + [Int](repeating: 7, count: 24) + [Int](repeating: 8, count: 8))
  private static let fixedDistances = Huffman(fixed: [Int](repeating: 5, count: 32))
  private static let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
  static let lengths = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
  ]
  static let lengthBits = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
  ]
  static let distances = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
    3073, 4097, 6145, 8193, 12289, 16385, 24577,
  ]
  static let distanceBits = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
  ]
}
