import Foundation

/// A picture as it is meant to be seen: upright, in sRGB, without transparency.
public struct Picture: Sendable, Equatable {
  /// The largest side that is read: padded to a square it takes 0.8 GB.
  public static let largestSide = 1 << 14
  /// The most pixels that a file may have: as Pillow has it, against small ones that mean gigabytes.
  package static let mostPixels = 178_956_970

  /// In pixels.
  public let width: Int
  /// In pixels.
  public let height: Int
  /// Red, green, blue of each pixel, row by row from the top: height × width × 3 bytes.
  public let rgb: [UInt8]

  /// A picture of `width` × `height` pixels.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: a side is 0 or larger than 16,384, or there are not
  ///   three bytes a pixel.
  public init(width: Int, height: Int, rgb: [UInt8]) throws {
    guard (1...Self.largestSide).contains(width), (1...Self.largestSide).contains(height) else {
      throw MobileOError(
        .usage,
        "a picture of \(width) x \(height) pixels: at most \(Self.largestSide) x "
          + "\(Self.largestSide) are read; make it smaller first")
    }
    guard rgb.count == width * height * 3 else {
      throw MobileOError(
        .usage,
        "a picture of \(width) x \(height) pixels takes \(width * height * 3) bytes, not "
          + "\(rgb.count); give red, green and blue of each pixel")
    }
    self.width = width
    self.height = height
    self.rgb = rgb
  }

  /// The picture that a decoded image [1, 3, H, W], about −1 to 1, stands for: (x / 2 + 0.5) clamped
  /// to 0..1, times 255, rounded to nearest. What is no number becomes black.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: the array has another shape or type.
  public init(image: Tensor) throws {
    let values = try image.floats("image")
    guard image.shape.count == 4, image.shape[0] == 1, image.shape[1] == 3 else {
      throw MobileOError(
        .session, "image is \(image.summary), expected [1, 3, H, W]; export the bundle again")
    }
    let (height, width) = (image.shape[2], image.shape[3])
    let plane = height * width
    var rgb = [UInt8](repeating: 0, count: plane * 3)
    for channel in 0..<3 {
      for place in 0..<plane {
        let unit = values[channel * plane + place] / 2 + 0.5
        let clamped = unit.isNaN ? 0 : min(max(unit, 0), 1)
        rgb[place * 3 + channel] = UInt8((clamped * 255).rounded(.toNearestOrEven))
      }
    }
    try self.init(width: width, height: height, rgb: rgb)
  }

  /// [H, W, 3] uint8.
  public var pixels: Tensor { Tensor(shape: [height, width, 3], .uint8(rgb)) }
}
