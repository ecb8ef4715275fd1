// Stand-in for Image I/O on Linux: signatures only.
@_exported import CoreGraphics
import Foundation

/// developer.apple.com/documentation/imageio/cgimagesource
public final class CGImageSource {}

/// developer.apple.com/documentation/imageio/cgimagesourcecreatewithdata(_:_:)
public func CGImageSourceCreateWithData(_ data: CFData, _ options: CFDictionary?) -> CGImageSource?
{ standIn() }

/// developer.apple.com/documentation/imageio/cgimagesourcegettype(_:)
public func CGImageSourceGetType(_ isrc: CGImageSource) -> CFString? { standIn() }

/// developer.apple.com/documentation/imageio/cgimagesourcegetcount(_:)
public func CGImageSourceGetCount(_ isrc: CGImageSource) -> Int { standIn() }

/// developer.apple.com/documentation/imageio/cgimagesourcegetprimaryimageindex(_:)
public func CGImageSourceGetPrimaryImageIndex(_ isrc: CGImageSource) -> Int { standIn() }

/// developer.apple.com/documentation/imageio/cgimagesourcecopypropertiesatindex(_:_:_:)
public func CGImageSourceCopyPropertiesAtIndex(
  _ isrc: CGImageSource, _ index: Int, _ options: CFDictionary?
) -> CFDictionary? { standIn() }

/// developer.apple.com/documentation/imageio/cgimagesourcecreateimageatindex(_:_:_:)
public func CGImageSourceCreateImageAtIndex(
  _ isrc: CGImageSource, _ index: Int, _ options: CFDictionary?
) -> CGImage? { standIn() }

/// developer.apple.com/documentation/imageio/cgimagesourcestatus
public enum CGImageSourceStatus: Int32, Sendable {
  case statusUnexpectedEOF = -5
  case statusInvalidData = -4
  case statusUnknownType = -3
  case statusReadingHeader = -2
  case statusIncomplete = -1
  case statusComplete = 0
}

/// developer.apple.com/documentation/imageio/cgimagesourcegetstatusatindex(_:_:)
public func CGImageSourceGetStatusAtIndex(
  _ isrc: CGImageSource, _ index: Int
) -> CGImageSourceStatus { standIn() }

/// developer.apple.com/documentation/imageio/kcgimagesourceshouldcacheimmediately
nonisolated(unsafe) public let kCGImageSourceShouldCacheImmediately: CFString = ""
/// developer.apple.com/documentation/imageio/kcgimagepropertypixelwidth
nonisolated(unsafe) public let kCGImagePropertyPixelWidth: CFString = ""
/// developer.apple.com/documentation/imageio/kcgimagepropertypixelheight
nonisolated(unsafe) public let kCGImagePropertyPixelHeight: CFString = ""
/// developer.apple.com/documentation/imageio/kcgimagepropertyorientation
nonisolated(unsafe) public let kCGImagePropertyOrientation: CFString = ""

private func standIn(_ name: StaticString = #function) -> Never {
  fatalError("\(name): a stand-in, which computes nothing")
}
