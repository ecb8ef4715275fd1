/// Opens pictures of the formats that a system knows: a protocol, so that what becomes of their pixels
/// is tested anywhere.
public protocol PictureCodec: Sendable {
  /// The picture in the bytes of a file; nil if it is no picture that the system knows.
  func open(_ bytes: [UInt8]) -> (any EncodedPicture)?
}

/// A picture in a file, its pixels not decoded yet.
public protocol EncodedPicture {
  /// What kind of file it is in.
  var kind: EncodedPictureKind { get }
  /// In pixels, as stored: before it is turned upright.
  var width: Int { get }
  /// In pixels, as stored.
  var height: Int { get }
  /// How it has to be turned, 1 to 8 as EXIF has it; anything else is 1.
  var orientation: Int { get }
  /// Whether all of the file is there and healthy, as far as the system looks.
  var isComplete: Bool { get }

  /// Draws rows into bytes that are zero: red, green, blue in sRGB multiplied by the opacity, and the
  /// opacity, of each pixel; whether that could be done.
  ///
  /// - Parameters:
  ///   - first: the first row, counted from the top.
  ///   - count: how many.
  ///   - bytesPerRow: from the start of a row to that of the next, at least four a pixel.
  func draw(
    first: Int, count: Int, into bytes: UnsafeMutableRawBufferPointer, bytesPerRow: Int
  ) -> Bool
}

/// What kind of file a picture is in.
public enum EncodedPictureKind: Sendable {
  case picture
  /// A camera's raw file, of which systems show a preview or a development of their own.
  case raw
  /// A page, or a program that draws one.
  case document
}
