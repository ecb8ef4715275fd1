import Foundation

/// How a camera was held: what EXIF says has to be done before a picture stands upright.
package struct Orientation: Equatable {
  /// 1 to 8; 1 does nothing.
  package let value: Int

  package init(value: Int) { self.value = value }

  /// What the `eXIf` chunk says, else EXIF as old files have it in text, else XMP; 1 where none does.
  static func of(_ chunks: [PNG.Chunk]) -> Orientation {
    var texts: [String: String] = [:]
    for chunk in chunks {
      if let (keyword, text) = PNG.text(in: chunk) { texts[keyword] = text }
    }
    let block =
      chunks.last { $0.name == "eXIf" }.map { Array($0.data) }
      ?? texts["Raw profile type exif"].flatMap(profile)
    let value = block.flatMap(exif) ?? texts["XML:com.adobe.xmp"].flatMap(xmp)
    return Orientation(value: value ?? 1)
  }

  /// The picture turned upright.
  package func apply(to picture: Picture) throws -> Picture {
    guard (2...8).contains(value) else { return picture }
    let swaps = value >= 5
    let (width, height) =
      swaps ? (picture.height, picture.width) : (picture.width, picture.height)
    var rgb: [UInt8] = []
    rgb.reserveCapacity(picture.rgb.count)
    for y in 0..<height {
      for x in 0..<width {
        let (sourceX, sourceY) = source(x, y, width, height)
        let start = (sourceY * picture.width + sourceX) * 3
        rgb += picture.rgb[start..<start + 3]
      }
    }
    return try Picture(width: width, height: height, rgb: rgb)
  }

  /// Where the pixel at (x, y) of the upright picture of `width` × `height` comes from.
  private func source(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> (Int, Int) {
    let (right, bottom) = (width - 1 - x, height - 1 - y)
    return switch value {
    case 2: (right, y)
    case 3: (right, bottom)
    case 4: (x, bottom)
    case 5: (y, x)
    case 6: (y, right)
    case 7: (bottom, right)
    default: (bottom, x)
    }
  }

  /// Tag 0x0112 of the first directory of a TIFF: a byte, short or long from 1 to 8.
  private static func exif(_ block: [UInt8]) -> Int? {
    var bytes = block[...]
    let mark = Array("Exif".utf8) + [0, 0]
    while bytes.starts(with: mark) { bytes = bytes.dropFirst(mark.count) }
    bytes = Array(bytes)[...]
    let little = bytes.starts(with: Array("II*".utf8) + [0])
    guard little || bytes.starts(with: Array("MM".utf8) + [0, 0x2A]), bytes.count >= 10 else {
      return nil
    }
    func number(_ at: Int, _ count: Int) -> Int? {
      guard at >= 0, at + count <= bytes.count else { return nil }
      let part = Array(bytes[at..<at + count])
      return (little ? part.reversed() : part).reduce(0) { $0 << 8 | Int($1) }
    }
    guard let start = number(4, 4), let count = number(start, 2) else { return nil }
    for entry in 0..<count {
      let at = start + 2 + entry * 12
      guard at + 12 <= bytes.count, let tag = number(at, 2), let type = number(at + 2, 2) else {
        return nil
      }
      if tag == 0x0112, let width = [1: 1, 3: 2, 4: 4][type] {
        return number(at + 8, width).flatMap { (1...8).contains($0) ? $0 : nil }
      }
    }
    return nil
  }

  /// The bytes of a block in hexadecimal: an empty line, its name, its length, then digits.
  private static func profile(_ text: String) -> [UInt8]? {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let digits = lines.dropFirst(3).joined().utf8.filter { $0 != 0x20 && $0 != 0x0D }
    guard digits.count % 2 == 0 else { return nil }
    return stride(from: 0, to: digits.count, by: 2).reduce(into: [UInt8]?([])) { bytes, at in
      let byte = UInt8(String(decoding: digits[at...at + 1], as: UTF8.self), radix: 16)
      bytes = byte.map { (bytes ?? []) + [$0] }
    }
  }

  private static func xmp(_ text: String) -> Int? {
    let pattern = #"tiff:Orientation(?:\s*=\s*["']|>)\s*([1-8])\s*["'<]"#
    guard let place = text.range(of: pattern, options: .regularExpression) else { return nil }
    return text[place].last { $0.isNumber }?.wholeNumberValue
  }
}
