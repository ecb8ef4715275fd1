import MobileO

/// Reads picture files of any format that the system knows, as `docs/recipe.md` says: upright, in sRGB,
/// on black where they are transparent, the first frame.
///
/// PNG without a color profile is read by the package itself, byte for byte as in Python. Other formats
/// are decoded and converted by the system, whose pixels are about those of Python, not exactly.
public struct PictureDecoder: Sendable {
  /// The largest file, in bytes.
  public static let largestFile = 1 << 30

  private let codec: any PictureCodec

  /// Rows that are decoded at once: a copy of the whole with its opacity is never in memory.
  static let band = 256

  /// A decoder over the system's.
  public init(codec: any PictureCodec) { self.codec = codec }

  /// The picture whose file is `bytes`; errors call it `name`.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: it is no picture, damaged, too large, or of a kind in
  ///   which the picture that is meant cannot be read; the message says what to do.
  public func decode(_ bytes: [UInt8], name: String = "the picture") throws -> Picture {
    guard bytes.count <= Self.largestFile else {
      throw failure(name, "is \(bytes.count) bytes; at most 1 GB is read")
    }
    if PNG.isReadable(bytes) {
      do {
        return try PNG.decode(bytes)
      } catch let error as MobileOError {
        throw failure(name, error.message)
      }
    }
    guard let found = codec.open(bytes) else {
      throw failure(name, "is no picture that can be read (JPEG, HEIC, PNG, WebP, TIFF, GIF, …)")
    }
    switch found.kind {
    case .picture: break
    case .raw:
      throw failure(
        name,
        "is a camera's raw file, in which only a preview can be read; save it as JPEG, PNG or TIFF "
          + "first")
    case .document: throw failure(name, "is a document and no picture; save it as PNG first")
    }
    let (width, height) = (found.width, found.height)
    guard max(width, height) <= Picture.largestSide else {
      let most = Picture.largestSide
      throw failure(
        name,
        "is \(width) x \(height) pixels, at most \(most) x \(most) are read; make it smaller first")
    }
    guard width * height <= Picture.mostPixels else {
      throw failure(name, "has more than 178 million pixels; make it smaller first")
    }
    guard min(width, height) > 0, found.isComplete, let rgb = pixels(found) else {
      throw failure(name, "cannot be read as a picture: it is damaged, or ends too early")
    }
    let picture = try Picture(width: width, height: height, rgb: rgb)
    return try Orientation(value: found.orientation).apply(to: picture)
  }

  /// Red, green and blue of each pixel; nil if the system could not decode them.
  private func pixels(_ picture: any EncodedPicture) -> [UInt8]? {
    let (width, height) = (picture.width, picture.height)
    // Core Graphics draws faster into rows of whole cache lines.
    let bytesPerRow = (width * 4 + 63) / 64 * 64
    var rgb: [UInt8] = []
    rgb.reserveCapacity(width * height * 3)
    for first in stride(from: 0, to: height, by: Self.band) {
      let count = min(Self.band, height - first)
      var rows = [UInt8](repeating: 0, count: bytesPerRow * count)
      let isDrawn = rows.withUnsafeMutableBytes {
        picture.draw(first: first, count: count, into: $0, bytesPerRow: bytesPerRow)
      }
      guard isDrawn else { return nil }
      rgb += onBlack(rows, width: width, height: count, bytesPerRow: bytesPerRow)
    }
    return rgb
  }

  /// Colors that are multiplied by their opacity are what they are on black: the opacity is left out.
  private func onBlack(
    _ rows: [UInt8], width: Int, height: Int, bytesPerRow: Int
  ) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: width * height * 3) { rgb, filled in
      for y in 0..<height {
        for x in 0..<width {
          let (source, target) = (y * bytesPerRow + x * 4, (y * width + x) * 3)
          for channel in 0..<3 { rgb[target + channel] = rows[source + channel] }
        }
      }
      filled = width * height * 3
    }
  }

  private func failure(_ name: String, _ problem: String) -> MobileOError {
    MobileOError(.usage, "\(name): \(problem)")
  }
}
