/// Unicode's canonical composition (NFC) with the tables of the `tokenizers` library.
///
/// The system's own knows newer marks than the library does, and another system others again; tokens
/// have to be the same everywhere.
enum Normalization {
  /// UTF-8 in, UTF-8 out.
  static func nfc(_ bytes: [UInt8]) -> [UInt8] {
    if bytes.allSatisfy({ $0 < 0xCC }) { return bytes }  // nothing below U+0300 changes
    let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars.map(\.value)
    let classes = UnicodeClasses.shared
    if !scalars.contains(where: { classes($0) & UnicodeClasses.unstable != 0 }) { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for value in composed(decomposed(scalars)) {
      guard let scalar = Unicode.Scalar(value), let encoded = UTF8.encode(scalar) else { continue }
      result.append(contentsOf: encoded)
    }
    return result
  }

  /// Every code point that may change, alone or behind another.
  static var unstable: [Int] {
    let hangul = Array(0x1100...0x1112) + Array(0x1161...0x1175) + Array(0x11A8...0x11C2)
    return tables.decompositions.keys.map { Int($0) } + tables.classes.keys.map { Int($0) }
      + tables.compositions.keys.map { Int($0 & 0xFFFF_FFFF) } + hangul
  }

  private static func decomposed(_ scalars: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(scalars.count)
    for value in scalars {
      if (0xAC00...0xD7A3).contains(value) {
        let place = value - 0xAC00
        result += [0x1100 + place / 588, 0x1161 + place % 588 / 28]
        if place % 28 > 0 { result.append(0x11A7 + place % 28) }
      } else if let parts = tables.decompositions[value] {
        result += parts
      } else {
        result.append(value)
      }
    }
    var start = 0
    while start < result.count {
      guard order(result[start]) > 0 else {
        start += 1
        continue
      }
      let end = result[start...].firstIndex { order($0) == 0 } ?? result.count
      let marks = result[start..<end].enumerated().sorted { left, right in
        let (a, b) = (order(left.element), order(right.element))
        return a < b || (a == b && left.offset < right.offset)
      }
      result.replaceSubrange(start..<end, with: marks.map(\.element))
      start = end
    }
    return result
  }

  private static func composed(_ scalars: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(scalars.count)
    var starter: Int?
    for value in scalars {
      let own = order(value)
      if let starter {
        let adjacent = starter == result.count - 1
        let before = adjacent ? 0 : result.last.map(order) ?? 0
        if adjacent || (before < own && before > 0), let one = pair(result[starter], value) {
          result[starter] = one
          continue
        }
      }
      result.append(value)
      if own == 0 { starter = result.count - 1 }
    }
    return result
  }

  private static func pair(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if (0x1100...0x1112).contains(first), (0x1161...0x1175).contains(second) {
      return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28
    }
    if (0xAC00...0xD7A3).contains(first), (first - 0xAC00) % 28 == 0,
      (0x11A8...0x11C2).contains(second)
    {
      return first + (second - 0x11A7)
    }
    return tables.compositions[UInt64(first) << 32 | UInt64(second)]
  }

  private static func order(_ value: UInt32) -> UInt8 {
    value < 0x300 ? 0 : tables.classes[value] ?? 0
  }

  private struct Tables: Sendable {
    var decompositions: [UInt32: [UInt32]] = [:]
    var compositions: [UInt64: UInt32] = [:]
    var classes: [UInt32: UInt8] = [:]
  }

  private static let tables: Tables = {
    var tables = Tables()
    let (space, colon, plus) = (UInt8(ascii: " "), UInt8(ascii: ":"), UInt8(ascii: "+"))
    for word in UnicodeTables.decompositions.utf8.split(separator: space) {
      let parts = word.split(separator: colon)
      tables.decompositions[UInt32(HexRange.number(parts[0]))] =
        parts[1].split(separator: plus).map { UInt32(HexRange.number($0)) }
    }
    for word in UnicodeTables.compositions.utf8.split(separator: space) {
      let parts = word.split(separator: colon)
      let pair = parts[0].split(separator: plus).map { UInt64(HexRange.number($0)) }
      tables.compositions[pair[0] << 32 | pair[1]] = UInt32(HexRange.number(parts[1]))
    }
    for word in UnicodeTables.combiningClasses.utf8.split(separator: space) {
      let parts = word.split(separator: colon)
      let number = UInt8(String(Substring(parts[1]))) ?? 0
      for code in HexRange.of(parts[0]) { tables.classes[UInt32(code)] = number }
    }
    return tables
  }()
}
