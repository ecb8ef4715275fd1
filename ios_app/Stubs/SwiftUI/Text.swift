// Stand-in for SwiftUI on Linux: texts and pictures.
import CoreGraphics
import FoundationMembers

/// developer.apple.com/documentation/swiftui/localizedstringkey
public struct LocalizedStringKey: Equatable, ExpressibleByStringInterpolation {
  public init(_ value: String) { standIn() }
  public init(stringLiteral value: String) { standIn() }
  public init(stringInterpolation: StringInterpolation) { standIn() }
  public static func == (left: Self, right: Self) -> Bool { standIn() }

  /// developer.apple.com/documentation/swiftui/localizedstringkey/stringinterpolation
  ///
  /// Without `appendInterpolation(_: some _FormatSpecifiable)`: the specifier is to be written out, so
  /// that the key can be read in the source.
  public struct StringInterpolation: StringInterpolationProtocol {
    public init(literalCapacity: Int, interpolationCount: Int) { standIn() }
    public mutating func appendLiteral(_ literal: String) { standIn() }
    public mutating func appendInterpolation(_ string: String) { standIn() }
    public mutating func appendInterpolation<T: _FormatSpecifiable>(
      _ value: T, specifier: String
    ) { standIn() }
  }
}

/// developer.apple.com/documentation/swiftui/text
public struct Text: Equatable, Sendable {
  nonisolated public init(
    _ key: LocalizedStringKey, tableName: String? = nil, bundle: Bundle? = nil,
    comment: StaticString? = nil
  ) { standIn() }
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(_ content: S) { standIn() }
  nonisolated public init(verbatim content: String) { standIn() }
  nonisolated public init(_ date: Date, style: Text.DateStyle) { standIn() }
  public static func == (left: Self, right: Self) -> Bool { standIn() }

  /// developer.apple.com/documentation/swiftui/text/datestyle
  public struct DateStyle: Sendable {
    public static let relative: DateStyle = standIn()
    public static let date: DateStyle = standIn()
    public static let time: DateStyle = standIn()
  }

  /// developer.apple.com/documentation/swiftui/text/case
  public enum Case: Sendable { case uppercase, lowercase }

  nonisolated public func font(_ font: Font?) -> Text { standIn() }
  nonisolated public func bold() -> Text { standIn() }
  nonisolated public func italic() -> Text { standIn() }
  nonisolated public func monospacedDigit() -> Text { standIn() }
}
extension Text: View {
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/font
public struct Font: Hashable, Sendable {
  public static let largeTitle: Font = standIn()
  public static let title: Font = standIn()
  public static let title2: Font = standIn()
  public static let title3: Font = standIn()
  public static let headline: Font = standIn()
  public static let subheadline: Font = standIn()
  public static let body: Font = standIn()
  public static let callout: Font = standIn()
  public static let footnote: Font = standIn()
  public static let caption: Font = standIn()
  public static let caption2: Font = standIn()
  public func monospaced() -> Font { standIn() }
  public func monospacedDigit() -> Font { standIn() }
  public func bold() -> Font { standIn() }
  /// developer.apple.com/documentation/swiftui/font/weight
  public struct Weight: Hashable, Sendable {
    public static let semibold: Weight = standIn()
  }
}

/// developer.apple.com/documentation/swiftui/image
public struct Image: Equatable, Sendable {
  nonisolated public init(_ name: String, bundle: Bundle? = nil) { standIn() }
  nonisolated public init(systemName: String) { standIn() }
  nonisolated public init(
    decorative cgImage: CGImage, scale: CGFloat, orientation: Image.Orientation = .up
  ) { standIn() }
  nonisolated public init(
    _ cgImage: CGImage, scale: CGFloat, orientation: Image.Orientation = .up, label: Text
  ) { standIn() }
  public static func == (left: Self, right: Self) -> Bool { standIn() }

  /// developer.apple.com/documentation/swiftui/image/orientation
  public enum Orientation: UInt8, CaseIterable, Hashable, Sendable { case up }
  /// developer.apple.com/documentation/swiftui/image/interpolation
  public enum Interpolation: Sendable { case none, low, medium, high }

  nonisolated public func resizable() -> Image { standIn() }
  nonisolated public func interpolation(_ interpolation: Interpolation) -> Image { standIn() }
}
extension Image: View {
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/label
public struct Label<Title: View, Icon: View>: View {
  nonisolated public init(
    @ViewBuilder title: () -> Title, @ViewBuilder icon: () -> Icon
  ) { standIn() }
  public var body: Never { standIn() }
}
extension Label where Title == Text, Icon == Image {
  nonisolated public init(_ titleKey: LocalizedStringKey, systemImage name: String) { standIn() }
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(
    _ title: S, systemImage name: String
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/labeledcontent
@available(iOS 16, macOS 13, *)
public struct LabeledContent<Label: View, Content: View>: View {
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label
  ) { standIn() }
  public var body: Never { standIn() }
}
@available(iOS 16, macOS 13, *)
extension LabeledContent where Label == Text {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, @ViewBuilder content: () -> Content
  ) { standIn() }
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(
    _ title: S, @ViewBuilder content: () -> Content
  ) { standIn() }
}
@available(iOS 16, macOS 13, *)
extension LabeledContent where Label == Text, Content == Text {
  nonisolated public init<S: StringProtocol>(_ titleKey: LocalizedStringKey, value: S) {
    standIn()
  }
  @_disfavoredOverload nonisolated public init<S1: StringProtocol, S2: StringProtocol>(
    _ title: S1, value: S2
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/contentunavailableview
@available(iOS 17, macOS 14, *)
public struct ContentUnavailableView<Label: View, Description: View, Actions: View>: View {
  nonisolated public init(
    @ViewBuilder label: () -> Label, @ViewBuilder description: () -> Description = { EmptyView() },
    @ViewBuilder actions: () -> Actions = { EmptyView() }
  ) { standIn() }
  public var body: Never { standIn() }
}
@available(iOS 17, macOS 14, *)
extension ContentUnavailableView
where Label == SwiftUI.Label<Text, Image>, Description == Text?, Actions == EmptyView {
  nonisolated public init(
    _ title: LocalizedStringKey, systemImage name: String, description: Text? = nil
  ) { standIn() }
}
