import Foundation

/// PNG files: read as a photograph is meant to be seen, written with what a picture says of itself.
///
/// Other formats are decoded by the system on Apple's platforms.
public enum PNG {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// The picture in the file at `path`, as the Python package reads it: turned upright (EXIF), the
  /// upper byte of 16 bits, what is transparent on black.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: there is no such file, it is no PNG, it is damaged, it
  ///   is too large, or it carries a color profile, which only the system's decoders convert.
  public static func read(_ path: String) throws -> Picture {
    do {
      return try decode(Files.read(path, limit: 1 << 30))
    } catch let problem as JSONReader.Problem {
      throw MobileOError(.usage, "\(path): \(problem.reason); name a PNG file")
    } catch let error as MobileOError {
      throw MobileOError(.usage, "\(path): \(error.message)")
    }
  }

  /// Whether `bytes` begin as a PNG does, and carry no color profile that would have to be converted.
  public static func isReadable(_ bytes: [UInt8]) -> Bool {
    guard bytes.starts(with: signature) else { return false }
    return (try? chunks(bytes))?.contains { $0.name == "iCCP" } != true
  }

  /// The picture whose file is `bytes`; see ``read(_:)``.
  public static func decode(_ bytes: [UInt8]) throws -> Picture {
    let chunks = try chunks(bytes)
    guard let header = chunks.first, header.name == "IHDR", header.data.count == 13 else {
      throw MobileOError(.usage, "cannot be read as a PNG (it has no header); save it again")
    }
    if chunks.contains(where: { $0.name == "iCCP" }) {
      throw MobileOError(
        .usage, "carries a color profile, which this reader does not convert; save it in sRGB")
    }
    let format = try PNGFormat(header.data)
    var palette: [UInt8] = []
    var transparency: [UInt8]?
    var packed: [UInt8] = []
    for chunk in chunks.dropFirst() {
      switch chunk.name {
      case "PLTE": palette = Array(chunk.data)
      case "tRNS": transparency = transparency ?? Array(chunk.data)
      case "IDAT": packed += chunk.data
      default: break
      }
    }
    let content: [UInt8]
    do {
      content = try Inflate.zlib(packed[...], limit: format.size)
    } catch {
      throw MobileOError(.usage, "cannot be read as a PNG (its pixels are damaged); save it again")
    }
    guard content.count == format.size else {
      throw MobileOError(.usage, "cannot be read as a PNG (it ends too early); save it again")
    }
    let samples = try format.samples(content)
    let rgb = format.rgb(samples, palette: palette, transparency: transparency)
    let turn = Orientation.of(chunks)
    return try turn.apply(to: Picture(width: format.width, height: format.height, rgb: rgb))
  }

  /// The texts that a PNG carries (`tEXt`, `zTXt`, `iTXt`), by keyword.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: it is no PNG.
  public static func texts(_ bytes: [UInt8]) throws -> [String: String] {
    var found: [String: String] = [:]
    for chunk in try chunks(bytes) {
      if let (keyword, text) = text(in: chunk) { found[keyword] = text }
    }
    return found
  }

  /// The file of `picture`, with `texts` in its header: keywords of at most 79 Latin letters.
  public static func encode(_ picture: Picture, texts: [(key: String, text: String)]) -> [UInt8] {
    let stride = picture.width * 3
    var rows: [UInt8] = []
    rows.reserveCapacity((stride + 1) * picture.height)
    for y in 0..<picture.height { rows += filtered(picture.rgb, y: y, stride: stride) }
    var header = bigEndian(picture.width) + bigEndian(picture.height)
    header += [8, 2, 0, 0, 0]
    var bytes = signature + chunk("IHDR", header)
    for (key, text) in texts {
      bytes += chunk("iTXt", Array(key.utf8) + [0, 0, 0, 0, 0] + Array(text.utf8))
    }
    return bytes + chunk("IDAT", Deflate.zlib(rows)) + chunk("IEND", [])
  }

  /// Writes `picture` to `path`, whole or not at all.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: the name does not end in `.png`, or nothing can be
  ///   written there.
  public static func write(
    _ picture: Picture, to path: String, texts: [(key: String, text: String)]
  ) throws {
    guard path.lowercased().hasSuffix(".png") else {
      throw MobileOError(.usage, "\(path): name a .png file")
    }
    try Files.write(encode(picture, texts: texts), to: path)
  }

  struct Chunk {
    let name: String
    let data: ArraySlice<UInt8>
  }

  private static func chunks(_ bytes: [UInt8]) throws -> [Chunk] {
    guard bytes.starts(with: signature) else {
      throw MobileOError(.usage, "is no PNG; save the picture as PNG")
    }
    var found: [Chunk] = []
    var index = signature.count
    while found.last?.name != "IEND" {
      guard index + 12 <= bytes.count else {
        throw MobileOError(.usage, "cannot be read as a PNG (it ends too early); save it again")
      }
      let length = bytes[index..<index + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = index + 8 + length
      guard length < 1 << 31, end + 4 <= bytes.count else {
        throw MobileOError(.usage, "cannot be read as a PNG (it ends too early); save it again")
      }
      let name = String(decoding: bytes[index + 4..<index + 8], as: UTF8.self)
      let sum = bytes[end..<end + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      let critical = bytes[index + 4] & 32 == 0
      if critical, CRC32.of(bytes[index + 4..<end]) != sum {
        throw MobileOError(
          .usage, "cannot be read as a PNG (a checksum of \(name) is wrong); save it again")
      }
      found.append(Chunk(name: name, data: bytes[index + 8..<end]))
      index = end + 4
    }
    return found
  }

  static func text(in chunk: Chunk) -> (String, String)? {
    guard ["tEXt", "zTXt", "iTXt"].contains(chunk.name),
      let end = chunk.data.firstIndex(of: 0)
    else { return nil }
    let keyword = latin(chunk.data[..<end])
    let rest = chunk.data[(end + 1)...]
    if chunk.name == "tEXt" { return (keyword, latin(rest)) }
    if chunk.name == "zTXt" {
      guard rest.first == 0, let plain = try? Inflate.zlib(rest.dropFirst(), limit: 1 << 26) else {
        return nil
      }
      return (keyword, latin(plain[...]))
    }
    guard rest.count > 2, let flag = rest.first else { return nil }
    let fields = rest.dropFirst(2).split(
      separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3, let value = fields.last else { return nil }
    if flag == 0 { return (keyword, String(decoding: value, as: UTF8.self)) }
    guard let plain = try? Inflate.zlib(value, limit: 1 << 26) else { return nil }
    return (keyword, String(decoding: plain, as: UTF8.self))
  }

  private static func latin(_ bytes: ArraySlice<UInt8>) -> String {
    var scalars = String.UnicodeScalarView()
    scalars.append(contentsOf: bytes.map { Unicode.Scalar($0) })
    return String(scalars)
  }

  /// A row behind the number of the filter that leaves the smallest sum, as libpng chooses.
  private static func filtered(_ rgb: [UInt8], y: Int, stride: Int) -> [UInt8] {
    let start = y * stride
    var best: [UInt8] = []
    var least = Int.max
    for filter in 0..<5 {
      var row = [UInt8(filter)]
      row.reserveCapacity(stride + 1)
      var sum = 0
      for x in 0..<stride {
        let left = x < 3 ? 0 : rgb[start + x - 3]
        let up = y == 0 ? 0 : rgb[start + x - stride]
        let corner = x < 3 || y == 0 ? 0 : rgb[start + x - stride - 3]
        let value = rgb[start + x] &- PNGFormat.predicted(filter, left, up, corner)
        row.append(value)
        sum += abs(Int(Int8(bitPattern: value)))
      }
      if sum < least { (best, least) = (row, sum) }
    }
    return best
  }

  private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return bigEndian(data.count) + body + bigEndian(Int(CRC32.of(body[...])))
  }

  private static func bigEndian(_ value: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }
}

enum CRC32 {
  private static let table: [UInt32] = (0..<256).map { start in
    (0..<8).reduce(UInt32(start)) { value, _ in
      value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1
    }
  }

  static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    let table = table
    return ~bytes.reduce(0xFFFF_FFFF as UInt32) {
      table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ ($0 >> 8)
    }
  }
}
