// Stand-in on Linux for members that Foundation has on Apple's platforms only: signatures only. The
// stand-ins of SwiftUI, UIKit and AppIntents export it, as those frameworks export Foundation.
@_exported import Foundation

/// Nothing here runs: a stand-in is for the compiler to read.
package func standIn<Result>(_ name: StaticString = #function) -> Result {
  fatalError("\(name): a stand-in, which computes nothing")
}

/// The same where nothing is given back, as in an initializer.
package func standIn(_ name: StaticString = #function) -> Never {
  fatalError("\(name): a stand-in, which computes nothing")
}

/// developer.apple.com/documentation/foundation/localizedstringresource
@available(iOS 16, macOS 13, *)
public struct LocalizedStringResource: Sendable, Equatable, ExpressibleByStringInterpolation {
  /// developer.apple.com/documentation/foundation/localizedstringresource/init(stringliteral:)
  public init(stringLiteral value: String) { standIn() }
  /// developer.apple.com/documentation/foundation/localizedstringresource/init(stringinterpolation:)
  public init(stringInterpolation: String.LocalizationValue.StringInterpolation) { standIn() }
  /// developer.apple.com/documentation/foundation/localizedstringresource/==(left:right:)
  public static func == (left: Self, right: Self) -> Bool { standIn() }
}

/// What a format specifier can stand for (SwiftUI and Foundation each have one of this name).
public protocol _FormatSpecifiable: Equatable {}
extension Int: _FormatSpecifiable {}
extension Double: _FormatSpecifiable {}

extension String {
  /// developer.apple.com/documentation/swift/string/localizationvalue
  @available(iOS 15, macOS 12, *)
  public struct LocalizationValue: Sendable, Equatable, ExpressibleByStringInterpolation {
    /// developer.apple.com/documentation/swift/string/localizationvalue/init(stringliteral:)
    public init(stringLiteral value: String) { standIn() }
    /// developer.apple.com/documentation/swift/string/localizationvalue/init(stringinterpolation:)
    public init(stringInterpolation: StringInterpolation) { standIn() }
    /// developer.apple.com/documentation/swift/string/localizationvalue/==(left:right:)
    public static func == (left: Self, right: Self) -> Bool { standIn() }

    /// developer.apple.com/documentation/swift/string/localizationvalue/stringinterpolation
    ///
    /// Without `appendInterpolation(_: some _FormatSpecifiable)`: the specifier is to be written out,
    /// so that the key can be read in the source.
    public struct StringInterpolation: StringInterpolationProtocol, Sendable, Equatable {
      /// developer.apple.com/documentation/swift/string/localizationvalue/stringinterpolation/init(literalcapacity:interpolationcount:)
      public init(literalCapacity: Int, interpolationCount: Int) { standIn() }
      /// developer.apple.com/documentation/swift/string/localizationvalue/stringinterpolation/appendliteral(_:)
      public mutating func appendLiteral(_ literal: String) { standIn() }
      /// developer.apple.com/documentation/swift/string/localizationvalue/stringinterpolation/appendinterpolation(_:)
      public mutating func appendInterpolation(_ string: String) { standIn() }
      /// developer.apple.com/documentation/swift/string/localizationvalue/stringinterpolation/appendinterpolation(_:specifier:)
      public mutating func appendInterpolation<T: _FormatSpecifiable>(
        _ value: T, specifier: String
      ) { standIn() }
      /// developer.apple.com/documentation/swift/string/localizationvalue/stringinterpolation/==(left:right:)
      public static func == (left: Self, right: Self) -> Bool { standIn() }
    }
  }

  /// developer.apple.com/documentation/swift/string/init(localized:table:bundle:locale:comment:)
  @available(iOS 15, macOS 12, *)
  public init(
    localized keyAndValue: String.LocalizationValue, table: String? = nil, bundle: Bundle? = nil,
    locale: Locale = .current, comment: StaticString? = nil
  ) { standIn() }
}

extension URL {
  /// developer.apple.com/documentation/foundation/url/startaccessingsecurityscopedresource()
  @available(iOS 8, macOS 10.10, *)
  public func startAccessingSecurityScopedResource() -> Bool { standIn() }
  /// developer.apple.com/documentation/foundation/url/stopaccessingsecurityscopedresource()
  @available(iOS 8, macOS 10.10, *)
  public func stopAccessingSecurityScopedResource() { standIn() }
}

extension FileManager {
  /// developer.apple.com/documentation/foundation/filemanager/containerurl(forsecurityapplicationgroupidentifier:)
  public func containerURL(forSecurityApplicationGroupIdentifier groupIdentifier: String) -> URL? {
    standIn()
  }
}
