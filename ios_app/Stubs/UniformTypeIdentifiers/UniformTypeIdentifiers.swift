// Stand-in for UniformTypeIdentifiers on Linux: signatures only.

/// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct
@available(iOS 14, macOS 11, *)
public struct UTType: Hashable, Sendable {
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/image
  public static var image: UTType { fatalError("a stand-in") }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/png
  public static var png: UTType { fatalError("a stand-in") }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/folder
  public static var folder: UTType { fatalError("a stand-in") }
  /// developer.apple.com/documentation/uniformtypeidentifiers/uttype-swift.struct/identifier
  public var identifier: String { fatalError("a stand-in") }
}
