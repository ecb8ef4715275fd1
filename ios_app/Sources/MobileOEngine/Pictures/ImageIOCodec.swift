import CoreGraphics
import Foundation
import ImageIO
import MobileO
import UniformTypeIdentifiers

extension PictureDecoder {
  /// The decoder of this system.
  public static let system = PictureDecoder(codec: ImageIOCodec())
}

/// Image I/O and Core Graphics.
public struct ImageIOCodec: PictureCodec {
  /// Nothing is opened by that.
  public init() {}

  /// The picture that a file means: the primary one of HEIC, the first of all others.
  public func open(_ bytes: [UInt8]) -> (any EncodedPicture)? {
    guard let source = CGImageSourceCreateWithData(NSData(data: Data(bytes)) as CFData, nil),
      CGImageSourceGetCount(source) > 0, let identifier = CGImageSourceGetType(source)
    else { return nil }
    let index = CGImageSourceGetPrimaryImageIndex(source)
    guard let found = CGImageSourceCopyPropertiesAtIndex(source, index, nil) else { return nil }
    let properties = found as NSDictionary
    func number(_ key: CFString) -> Int? { (properties[key] as? NSNumber)?.intValue }
    guard let width = number(kCGImagePropertyPixelWidth),
      let height = number(kCGImagePropertyPixelHeight)
    else { return nil }
    return ImageIOPicture(
      source: source, index: index, kind: kind(identifier as NSString), width: width,
      height: height, orientation: number(kCGImagePropertyOrientation) ?? 1)
  }

  private func kind(_ identifier: NSString) -> EncodedPictureKind {
    guard let type = UTType(String(describing: identifier)) else { return .picture }
    if type.conforms(to: .rawImage) { return .raw }
    let isPage = type.conforms(to: .pdf) || type.identifier == "com.adobe.encapsulated-postscript"
    return isPage ? .document : .picture
  }
}

private final class ImageIOPicture: EncodedPicture {
  private let source: CGImageSource
  private let index: Int
  let kind: EncodedPictureKind
  let width: Int
  let height: Int
  let orientation: Int
  /// Decoded with the first rows; it stays for the others.
  private lazy var image: CGImage? = {
    let options = NSDictionary(dictionary: [kCGImageSourceShouldCacheImmediately: true])
    return CGImageSourceCreateImageAtIndex(source, index, options as CFDictionary)
  }()

  init(
    source: CGImageSource, index: Int, kind: EncodedPictureKind, width: Int, height: Int,
    orientation: Int
  ) {
    (self.source, self.index, self.kind) = (source, index, kind)
    (self.width, self.height, self.orientation) = (width, height, orientation)
  }

  var isComplete: Bool {
    let status = CGImageSourceGetStatusAtIndex(source, index)
    let damage: [CGImageSourceStatus] = [
      .statusUnexpectedEOF, .statusInvalidData, .statusIncomplete,
    ]
    return !damage.contains(status)
  }

  func draw(
    first: Int, count: Int, into bytes: UnsafeMutableRawBufferPointer, bytesPerRow: Int
  ) -> Bool {
    guard let image, image.width == width, image.height == height,
      let sRGB = CGColorSpace(name: CGColorSpace.sRGB),
      let context = CGContext(
        data: bytes.baseAddress, width: width, height: count, bitsPerComponent: 8,
        bytesPerRow: bytesPerRow, space: sRGB,
        bitmapInfo: CGImageAlphaInfo.premultipliedLast.rawValue)
    else { return false }
    context.interpolationQuality = .none
    // Rows are counted from the top, Core Graphics counts from the bottom.
    let place = CGRect(x: 0, y: first + count - height, width: width, height: height)
    context.draw(image, in: place)
    return true
  }
}
