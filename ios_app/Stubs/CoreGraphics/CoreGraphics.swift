// Stand-in for Core Graphics on Linux, and for what it exports of Core Foundation: signatures only.
@_exported import Foundation

/// developer.apple.com/documentation/corefoundation/cfdictionary, of which NSDictionary is a bridged form
public typealias CFDictionary = NSDictionary
/// developer.apple.com/documentation/corefoundation/cfstring, of which NSString is a bridged form
public typealias CFString = NSString
/// developer.apple.com/documentation/corefoundation/cfdata, of which NSData is a bridged form
public typealias CFData = NSData

/// developer.apple.com/documentation/coregraphics/cgcolorspace
public final class CGColorSpace: @unchecked Sendable {
  /// developer.apple.com/documentation/coregraphics/cgcolorspace/init(name:)
  public init?(name: CFString) { standIn() }
  /// developer.apple.com/documentation/coregraphics/cgcolorspace/srgb
  public class var sRGB: CFString { standIn() }
}

/// developer.apple.com/documentation/coregraphics/cgimagealphainfo
public enum CGImageAlphaInfo: UInt32, Sendable {
  case none = 0
  case premultipliedLast = 1
  case premultipliedFirst = 2
  case last = 3
  case first = 4
  case noneSkipLast = 5
  case noneSkipFirst = 6
  case alphaOnly = 7
}

/// developer.apple.com/documentation/coregraphics/cgbitmapinfo
public struct CGBitmapInfo: OptionSet, Sendable {
  /// developer.apple.com/documentation/swift/optionset
  public let rawValue: UInt32
  /// developer.apple.com/documentation/swift/optionset
  public init(rawValue: UInt32) { self.rawValue = rawValue }
}

/// developer.apple.com/documentation/coregraphics/cginterpolationquality
public enum CGInterpolationQuality: Int32, Sendable {
  case `default` = 0
  case none = 1
  case low = 2
  case high = 3
  case medium = 4
}

/// developer.apple.com/documentation/coregraphics/cgcolorrenderingintent
public enum CGColorRenderingIntent: Int32, Sendable {
  case defaultIntent = 0
  case absoluteColorimetric = 1
  case relativeColorimetric = 2
  case perceptual = 3
  case saturation = 4
}

/// developer.apple.com/documentation/coregraphics/cgdataprovider
public final class CGDataProvider: @unchecked Sendable {
  /// developer.apple.com/documentation/coregraphics/cgdataprovider/init(data:)
  public init?(data: CFData) { standIn() }
}

/// developer.apple.com/documentation/coregraphics/cgimage
public final class CGImage: @unchecked Sendable {
  /// developer.apple.com/documentation/coregraphics/cgimage/init(width:height:bitspercomponent:bitsperpixel:bytesperrow:space:bitmapinfo:provider:decode:shouldinterpolate:intent:)
  public init?(
    width: Int, height: Int, bitsPerComponent: Int, bitsPerPixel: Int, bytesPerRow: Int,
    space: CGColorSpace, bitmapInfo: CGBitmapInfo, provider: CGDataProvider,
    decode: UnsafePointer<CGFloat>?, shouldInterpolate: Bool, intent: CGColorRenderingIntent
  ) { standIn() }
  /// developer.apple.com/documentation/coregraphics/cgimage/width
  public var width: Int { standIn() }
  /// developer.apple.com/documentation/coregraphics/cgimage/height
  public var height: Int { standIn() }
}

/// developer.apple.com/documentation/coregraphics/cgcontext
public final class CGContext {
  /// developer.apple.com/documentation/coregraphics/cgcontext/init(data:width:height:bitspercomponent:bytesperrow:space:bitmapinfo:)-4fkaf
  public init?(
    data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int,
    bytesPerRow: Int, space: CGColorSpace, bitmapInfo: UInt32
  ) { standIn() }
  /// developer.apple.com/documentation/coregraphics/cgcontext/interpolationquality
  public var interpolationQuality: CGInterpolationQuality {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/coregraphics/cgcontext/draw(_:in:bytiling:)
  public func draw(_ image: CGImage, in rect: CGRect, byTiling: Bool = false) { standIn() }
}

private func standIn(_ name: StaticString = #function) -> Never {
  fatalError("\(name): a stand-in, which computes nothing")
}
