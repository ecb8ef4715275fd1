// Stand-in for SwiftUI on Linux: texts and pictures.
import CoreGraphics
import FoundationMembers

/// developer.apple.com/documentation/swiftui/localizedstringkey
public struct LocalizedStringKey: Equatable, ExpressibleByStringInterpolation {
  /// developer.apple.com/documentation/swiftui/localizedstringkey/init(_:)
  public init(_ value: String) { standIn() }
  /// developer.apple.com/documentation/swiftui/localizedstringkey/init(stringliteral:)
  public init(stringLiteral value: String) { standIn() }
  /// developer.apple.com/documentation/swiftui/localizedstringkey/init(stringinterpolation:)
  public init(stringInterpolation: StringInterpolation) { standIn() }
  /// developer.apple.com/documentation/swiftui/localizedstringkey/==(left:right:)
  public static func == (left: Self, right: Self) -> Bool { standIn() }

  /// developer.apple.com/documentation/swiftui/localizedstringkey/stringinterpolation
  ///
  /// Without `appendInterpolation(_: some _FormatSpecifiable)`: the specifier is to be written out, so
  /// that the key can be read in the source.
  public struct StringInterpolation: StringInterpolationProtocol {
    /// developer.apple.com/documentation/swiftui/localizedstringkey/stringinterpolation/init(literalcapacity:interpolationcount:)
    public init(literalCapacity: Int, interpolationCount: Int) { standIn() }
    /// developer.apple.com/documentation/swiftui/localizedstringkey/stringinterpolation/appendliteral(_:)
    public mutating func appendLiteral(_ literal: String) { standIn() }
    /// developer.apple.com/documentation/swiftui/localizedstringkey/stringinterpolation/appendinterpolation(_:)
    public mutating func appendInterpolation(_ string: String) { standIn() }
    /// developer.apple.com/documentation/swiftui/localizedstringkey/stringinterpolation/appendinterpolation(_:specifier:)
    public mutating func appendInterpolation<T: _FormatSpecifiable>(
      _ value: T, specifier: String
    ) { standIn() }
  }
}

/// developer.apple.com/documentation/swiftui/text
public struct Text: Equatable, Sendable {
  /// developer.apple.com/documentation/swiftui/text/init(_:tablename:bundle:comment:)
  nonisolated public init(
    _ key: LocalizedStringKey, tableName: String? = nil, bundle: Bundle? = nil,
    comment: StaticString? = nil
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/text/init(_:)
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(_ content: S) { standIn() }
  /// developer.apple.com/documentation/swiftui/text/init(verbatim:)
  nonisolated public init(verbatim content: String) { standIn() }
  /// developer.apple.com/documentation/swiftui/text/init(_:style:)
  nonisolated public init(_ date: Date, style: Text.DateStyle) { standIn() }
  /// developer.apple.com/documentation/swiftui/text/==(left:right:)
  public static func == (left: Self, right: Self) -> Bool { standIn() }

  /// developer.apple.com/documentation/swiftui/text/datestyle
  public struct DateStyle: Sendable {
    /// developer.apple.com/documentation/swiftui/text/datestyle/relative
    public static let relative: DateStyle = standIn()
    /// developer.apple.com/documentation/swiftui/text/datestyle/date
    public static let date: DateStyle = standIn()
    /// developer.apple.com/documentation/swiftui/text/datestyle/time
    public static let time: DateStyle = standIn()
  }

  /// developer.apple.com/documentation/swiftui/text/case
  public enum Case: Sendable { case uppercase, lowercase }

  /// developer.apple.com/documentation/swiftui/text/font(_:)
  nonisolated public func font(_ font: Font?) -> Text { standIn() }
  /// developer.apple.com/documentation/swiftui/text/bold()
  nonisolated public func bold() -> Text { standIn() }
  /// developer.apple.com/documentation/swiftui/text/italic()
  nonisolated public func italic() -> Text { standIn() }
  /// developer.apple.com/documentation/swiftui/text/monospaceddigit()
  nonisolated public func monospacedDigit() -> Text { standIn() }
}
extension Text: View {
  /// developer.apple.com/documentation/swiftui/text/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/font
public struct Font: Hashable, Sendable {
  /// developer.apple.com/documentation/swiftui/font/largetitle
  public static let largeTitle: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/title
  public static let title: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/title2
  public static let title2: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/title3
  public static let title3: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/headline
  public static let headline: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/subheadline
  public static let subheadline: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/body
  public static let body: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/callout
  public static let callout: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/footnote
  public static let footnote: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/caption
  public static let caption: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/caption2
  public static let caption2: Font = standIn()
  /// developer.apple.com/documentation/swiftui/font/monospaced()
  public func monospaced() -> Font { standIn() }
  /// developer.apple.com/documentation/swiftui/font/monospaceddigit()
  public func monospacedDigit() -> Font { standIn() }
  /// developer.apple.com/documentation/swiftui/font/bold()
  public func bold() -> Font { standIn() }
  /// developer.apple.com/documentation/swiftui/font/weight
  public struct Weight: Hashable, Sendable {
    /// developer.apple.com/documentation/swiftui/font/weight/semibold
    public static let semibold: Weight = standIn()
  }
}

/// developer.apple.com/documentation/swiftui/image
public struct Image: Equatable, Sendable {
  /// developer.apple.com/documentation/swiftui/image/init(_:bundle:)
  nonisolated public init(_ name: String, bundle: Bundle? = nil) { standIn() }
  /// developer.apple.com/documentation/swiftui/image/init(systemname:)
  nonisolated public init(systemName: String) { standIn() }
  /// developer.apple.com/documentation/swiftui/image/init(decorative:scale:orientation:)
  nonisolated public init(
    decorative cgImage: CGImage, scale: CGFloat, orientation: Image.Orientation = .up
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/image/init(_:scale:orientation:label:)
  nonisolated public init(
    _ cgImage: CGImage, scale: CGFloat, orientation: Image.Orientation = .up, label: Text
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/image/==(left:right:)
  public static func == (left: Self, right: Self) -> Bool { standIn() }

  /// developer.apple.com/documentation/swiftui/image/orientation
  public enum Orientation: UInt8, CaseIterable, Hashable, Sendable { case up }
  /// developer.apple.com/documentation/swiftui/image/interpolation
  public enum Interpolation: Sendable { case none, low, medium, high }

  /// developer.apple.com/documentation/swiftui/image/resizable()
  nonisolated public func resizable() -> Image { standIn() }
  /// developer.apple.com/documentation/swiftui/image/interpolation(_:)
  nonisolated public func interpolation(_ interpolation: Interpolation) -> Image { standIn() }
}
extension Image: View {
  /// developer.apple.com/documentation/swiftui/image/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/label
public struct Label<Title: View, Icon: View>: View {
  /// developer.apple.com/documentation/swiftui/label/init(title:icon:)
  nonisolated public init(
    @ViewBuilder title: () -> Title, @ViewBuilder icon: () -> Icon
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/label/body
  public var body: Never { standIn() }
}
extension Label where Title == Text, Icon == Image {
  /// developer.apple.com/documentation/swiftui/label/init(_:systemimage:)
  nonisolated public init(_ titleKey: LocalizedStringKey, systemImage name: String) { standIn() }
  /// developer.apple.com/documentation/swiftui/label/init(_:systemimage:)
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(
    _ title: S, systemImage name: String
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/labeledcontent
@available(iOS 16, macOS 13, *)
public struct LabeledContent<Label: View, Content: View>: View {
  /// developer.apple.com/documentation/swiftui/labeledcontent/init(content:label:)
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/labeledcontent/body
  public var body: Never { standIn() }
}
@available(iOS 16, macOS 13, *)
extension LabeledContent where Label == Text {
  /// developer.apple.com/documentation/swiftui/labeledcontent/init(_:content:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/labeledcontent/init(_:content:)
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(
    _ title: S, @ViewBuilder content: () -> Content
  ) { standIn() }
}
@available(iOS 16, macOS 13, *)
extension LabeledContent where Label == Text, Content == Text {
  /// developer.apple.com/documentation/swiftui/labeledcontent/init(_:value:)
  nonisolated public init<S: StringProtocol>(_ titleKey: LocalizedStringKey, value: S) {
    standIn()
  }
  /// developer.apple.com/documentation/swiftui/labeledcontent/init(_:value:)
  @_disfavoredOverload nonisolated public init<S1: StringProtocol, S2: StringProtocol>(
    _ title: S1, value: S2
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/contentunavailableview
@available(iOS 17, macOS 14, *)
public struct ContentUnavailableView<Label: View, Description: View, Actions: View>: View {
  /// developer.apple.com/documentation/swiftui/contentunavailableview/init(label:description:actions:)
  nonisolated public init(
    @ViewBuilder label: () -> Label, @ViewBuilder description: () -> Description = { EmptyView() },
    @ViewBuilder actions: () -> Actions = { EmptyView() }
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/contentunavailableview/body
  public var body: Never { standIn() }
}
@available(iOS 17, macOS 14, *)
extension ContentUnavailableView
where Label == SwiftUI.Label<Text, Image>, Description == Text?, Actions == EmptyView {
  /// developer.apple.com/documentation/swiftui/contentunavailableview/init(_:systemimage:description:)
  nonisolated public init(
    _ title: LocalizedStringKey, systemImage name: String, description: Text? = nil
  ) { standIn() }
}
