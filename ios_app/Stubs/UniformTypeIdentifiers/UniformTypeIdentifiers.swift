// Stand-in for Uniform Type Identifiers on Linux: signatures only.
@_exported import Foundation

/// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct
@available(iOS 14, macOS 11, *)
public struct UTType: Sendable, Hashable {
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/init(_:)
  public init?(_ identifier: String) { standIn() }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/conforms(to:)
  public func conforms(to type: UTType) -> Bool { standIn() }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/identifier
  public var identifier: String { standIn() }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/folder
  public static var folder: UTType { standIn() }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/image
  public static var image: UTType { standIn() }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/png
  public static var png: UTType { standIn() }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/rawimage
  public static var rawImage: UTType { standIn() }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/pdf
  public static var pdf: UTType { standIn() }
}

private func standIn(_ name: StaticString = #function) -> Never {
  fatalError("\(name): a stand-in, which computes nothing")
}
