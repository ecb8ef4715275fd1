// Stand-in for CoreGraphics on Linux: signatures only.
import Foundation

/// developer.apple.com/documentation/coregraphics/cgimage
public final class CGImage: @unchecked Sendable {
  init() { fatalError("a stand-in") }
}

/// developer.apple.com/documentation/coregraphics/cgimagealphainfo
public enum CGImageAlphaInfo: UInt32, Sendable {
  case none = 0
  case noneSkipLast = 5
}

/// developer.apple.com/documentation/coregraphics/cgcolorspace
public final class CGColorSpace: @unchecked Sendable {
  /// developer.apple.com/documentation/coregraphics/cgcolorspace/init(name:)
  public init?(name: CFString) { fatalError("a stand-in") }
  /// developer.apple.com/documentation/coregraphics/cgcolorspace/srgb
  public static var sRGB: CFString { fatalError("a stand-in") }
}

/// developer.apple.com/documentation/corefoundation/cfstring
public final class CFString: @unchecked Sendable {
  init() { fatalError("a stand-in") }
}

/// developer.apple.com/documentation/coregraphics/cgcontext
public final class CGContext {
  /// developer.apple.com/documentation/coregraphics/cgcontext/init(data:width:height:bitspercomponent:bytesperrow:space:bitmapinfo:)
  public init?(
    data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int,
    bytesPerRow: Int, space: CGColorSpace, bitmapInfo: UInt32
  ) { fatalError("a stand-in") }
  /// developer.apple.com/documentation/coregraphics/cgcontext/data
  public var data: UnsafeMutableRawPointer? { fatalError("a stand-in") }
  /// developer.apple.com/documentation/coregraphics/cgcontext/bytesperrow
  public var bytesPerRow: Int { fatalError("a stand-in") }
  /// developer.apple.com/documentation/coregraphics/cgcontext/makeimage()
  public func makeImage() -> CGImage? { fatalError("a stand-in") }
}
