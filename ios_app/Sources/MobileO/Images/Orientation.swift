import Foundation

/// How a camera was held: what EXIF says has to be done before a picture stands upright.
struct Orientation: Equatable {
  /// 1 to 8; 1 does nothing.
  let value: Int

  /// What the `eXIf` chunk or, without one, XMP says; 1 where neither does or it means nothing.
  static func of(_ chunks: [PNG.Chunk]) -> Orientation {
    for chunk in chunks where chunk.name == "eXIf" {
      if let value = exif(Array(chunk.data)) { return Orientation(value: value) }
    }
    for chunk in chunks {
      if let (keyword, text) = PNG.text(in: chunk), keyword == "XML:com.adobe.xmp",
        let value = xmp(text)
      {
        return Orientation(value: value)
      }
    }
    return Orientation(value: 1)
  }

  /// The picture turned upright.
  func apply(to picture: Picture) throws -> Picture {
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

  /// Tag 0x0112 of the first directory of a TIFF.
  private static func exif(_ bytes: [UInt8]) -> Int? {
    guard bytes.count >= 8 else { return nil }
    let little = bytes[0] == 0x49
    guard bytes[0] == bytes[1], little || bytes[0] == 0x4D else { return nil }
    func number(_ at: Int, _ count: Int) -> Int? {
      guard at >= 0, at + count <= bytes.count else { return nil }
      let part = bytes[at..<at + count]
      return (little ? Array(part.reversed()) : Array(part)).reduce(0) { $0 << 8 | Int($1) }
    }
    guard let start = number(4, 4), let count = number(start, 2) else { return nil }
    for entry in 0..<count {
      let at = start + 2 + entry * 12
      guard let tag = number(at, 2), let type = number(at + 2, 2) else { return nil }
      if tag == 0x0112, type == 3 { return number(at + 8, 2) }
    }
    return nil
  }

  private static func xmp(_ text: String) -> Int? {
    for mark in ["tiff:Orientation=\"", "tiff:Orientation>"] {
      if let found = text.range(of: mark), let digit = text[found.upperBound...].first {
        return digit.wholeNumberValue
      }
    }
    return nil
  }
}
