// Stand-in for CoreVideo on Linux: signatures only, of what is used.

/// developer.apple.com/documentation/corevideo/cvpixelbuffer
public final class CVBuffer {
  init() { fatalError("a stand-in") }
}
/// developer.apple.com/documentation/corevideo/cvpixelbuffer
public typealias CVPixelBuffer = CVBuffer
/// developer.apple.com/documentation/corevideo/cvimagebuffer
public typealias CVImageBuffer = CVBuffer
/// developer.apple.com/documentation/corevideo/cvreturn
public typealias CVReturn = Int32
/// developer.apple.com/documentation/corevideo/ostype
public typealias OSType = UInt32

/// developer.apple.com/documentation/corevideo/kcvpixelformattype_32bgra
public var kCVPixelFormatType_32BGRA: OSType { fatalError("a stand-in") }

/// developer.apple.com/documentation/corevideo/cvpixelbufferlockflags
public struct CVPixelBufferLockFlags: OptionSet, Sendable {
  /// developer.apple.com/documentation/corevideo/cvpixelbufferlockflags/rawvalue
  public let rawValue: UInt64
  /// developer.apple.com/documentation/corevideo/cvpixelbufferlockflags/init(rawvalue:)
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// developer.apple.com/documentation/corevideo/cvpixelbufferlockflags/readonly
  public static var readOnly: CVPixelBufferLockFlags { fatalError("a stand-in") }
}
/// developer.apple.com/documentation/corevideo/cvpixelbufferlockbaseaddress(_:_:)
@discardableResult public func CVPixelBufferLockBaseAddress(
  _ pixelBuffer: CVPixelBuffer, _ lockFlags: CVPixelBufferLockFlags
) -> CVReturn { fatalError("a stand-in") }
/// developer.apple.com/documentation/corevideo/cvpixelbufferunlockbaseaddress(_:_:)
@discardableResult public func CVPixelBufferUnlockBaseAddress(
  _ pixelBuffer: CVPixelBuffer, _ unlockFlags: CVPixelBufferLockFlags
) -> CVReturn { fatalError("a stand-in") }
/// developer.apple.com/documentation/corevideo/cvpixelbuffergetbaseaddress(_:)
public func CVPixelBufferGetBaseAddress(_ pixelBuffer: CVPixelBuffer) -> UnsafeMutableRawPointer? {
  fatalError("a stand-in")
}
/// developer.apple.com/documentation/corevideo/cvpixelbuffergetbytesperrow(_:)
public func CVPixelBufferGetBytesPerRow(_ pixelBuffer: CVPixelBuffer) -> Int {
  fatalError("a stand-in")
}
/// developer.apple.com/documentation/corevideo/cvpixelbuffergetwidth(_:)
public func CVPixelBufferGetWidth(_ pixelBuffer: CVPixelBuffer) -> Int { fatalError("a stand-in") }
/// developer.apple.com/documentation/corevideo/cvpixelbuffergetheight(_:)
public func CVPixelBufferGetHeight(_ pixelBuffer: CVPixelBuffer) -> Int { fatalError("a stand-in") }
