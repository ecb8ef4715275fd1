// Stand-in for SwiftUI on Linux: layout, lists, navigation.
import CoreGraphics
import FoundationMembers

/// developer.apple.com/documentation/swiftui/alignment
public struct Alignment: Equatable, Sendable {
  public static let center: Alignment = standIn()
  public static let leading: Alignment = standIn()
  public static let trailing: Alignment = standIn()
  public static let top: Alignment = standIn()
  public static let bottom: Alignment = standIn()
  public static let topLeading: Alignment = standIn()
  public static let bottomTrailing: Alignment = standIn()
}

/// developer.apple.com/documentation/swiftui/horizontalalignment
public struct HorizontalAlignment: Equatable, Sendable {
  public static let leading: HorizontalAlignment = standIn()
  public static let center: HorizontalAlignment = standIn()
  public static let trailing: HorizontalAlignment = standIn()
}

/// developer.apple.com/documentation/swiftui/verticalalignment
public struct VerticalAlignment: Equatable, Sendable {
  public static let top: VerticalAlignment = standIn()
  public static let center: VerticalAlignment = standIn()
  public static let bottom: VerticalAlignment = standIn()
  public static let firstTextBaseline: VerticalAlignment = standIn()
}

/// developer.apple.com/documentation/swiftui/axis
public enum Axis: Int8, CaseIterable, Sendable {
  case horizontal, vertical
  /// developer.apple.com/documentation/swiftui/axis/set
  public struct Set: OptionSet, Sendable {
    public let rawValue: Int8
    public init(rawValue: Int8) { self.rawValue = rawValue }
    public static let horizontal: Axis.Set = standIn()
    public static let vertical: Axis.Set = standIn()
  }
}

/// developer.apple.com/documentation/swiftui/edge
public enum Edge: Int8, CaseIterable, Sendable {
  case top, leading, bottom, trailing
  /// developer.apple.com/documentation/swiftui/edge/set
  public struct Set: OptionSet, Sendable {
    public let rawValue: Int8
    public init(rawValue: Int8) { self.rawValue = rawValue }
    public static let top: Edge.Set = standIn()
    public static let leading: Edge.Set = standIn()
    public static let bottom: Edge.Set = standIn()
    public static let trailing: Edge.Set = standIn()
    public static let all: Edge.Set = standIn()
    public static let horizontal: Edge.Set = standIn()
    public static let vertical: Edge.Set = standIn()
  }
}

/// developer.apple.com/documentation/swiftui/hstack
public struct HStack<Content: View>: View {
  nonisolated public init(
    alignment: VerticalAlignment = .center, spacing: CGFloat? = nil,
    @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/vstack
public struct VStack<Content: View>: View {
  nonisolated public init(
    alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil,
    @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/zstack
public struct ZStack<Content: View>: View {
  nonisolated public init(
    alignment: Alignment = .center, @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/lazyvstack
public struct LazyVStack<Content: View>: View {
  nonisolated public init(
    alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil,
    @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/lazyvgrid
public struct LazyVGrid<Content: View>: View {
  nonisolated public init(
    columns: [GridItem], spacing: CGFloat? = nil, @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/griditem
public struct GridItem: Sendable {
  /// developer.apple.com/documentation/swiftui/griditem/size-swift.enum
  public enum Size: Sendable { case adaptive(minimum: CGFloat, maximum: CGFloat = .infinity) }
  public init(_ size: Size, spacing: CGFloat? = nil) { standIn() }
}

/// developer.apple.com/documentation/swiftui/scrollview
public struct ScrollView<Content: View>: View {
  nonisolated public init(
    _ axes: Axis.Set = .vertical, @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/scrollviewreader
public struct ScrollViewReader<Content: View>: View {
  public init(@ViewBuilder content: @escaping (ScrollViewProxy) -> Content) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/scrollviewproxy
public struct ScrollViewProxy {
  public func scrollTo<ID: Hashable>(_ id: ID, anchor: UnitPoint? = nil) { standIn() }
}

/// developer.apple.com/documentation/swiftui/unitpoint
public struct UnitPoint: Hashable, Sendable {
  public static let bottom: UnitPoint = standIn()
}

/// developer.apple.com/documentation/swiftui/spacer
public struct Spacer: View {
  nonisolated public init(minLength: CGFloat? = nil) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/divider
public struct Divider: View {
  nonisolated public init() { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/group
public struct Group<Content> {}
extension Group: View where Content: View {
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/viewthatfits
@available(iOS 16, macOS 13, *)
public struct ViewThatFits<Content: View>: View {
  nonisolated public init(
    in axes: Axis.Set = [.horizontal, .vertical], @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/foreach
public struct ForEach<Data: RandomAccessCollection, ID: Hashable, Content> {}
extension ForEach: View where Content: View {
  public var body: Never { standIn() }
}
extension ForEach where ID == Data.Element.ID, Content: View, Data.Element: Identifiable {
  nonisolated public init(
    _ data: Data, @ViewBuilder content: @escaping (Data.Element) -> Content
  ) { standIn() }
}
extension ForEach where Content: View {
  nonisolated public init(
    _ data: Data, id: KeyPath<Data.Element, ID>,
    @ViewBuilder content: @escaping (Data.Element) -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/list
public struct List<SelectionValue: Hashable, Content: View>: View {
  nonisolated public init(
    selection: Binding<SelectionValue?>?, @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}
extension List where SelectionValue == Never {
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
}

/// developer.apple.com/documentation/swiftui/form
public struct Form<Content: View>: View {
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/section
public struct Section<Parent, Content, Footer> {}
extension Section: View where Parent: View, Content: View, Footer: View {
  public var body: Never { standIn() }
}
extension Section where Parent: View, Content: View, Footer: View {
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder header: () -> Parent,
    @ViewBuilder footer: () -> Footer
  ) { standIn() }
}
extension Section where Parent == EmptyView, Content: View, Footer: View {
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder footer: () -> Footer
  ) { standIn() }
}
extension Section where Parent == EmptyView, Content: View, Footer == EmptyView {
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
}
extension Section where Parent == Text, Content: View, Footer == EmptyView {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, @ViewBuilder content: () -> Content
  ) { standIn() }
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(
    _ title: S, @ViewBuilder content: () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/disclosuregroup
public struct DisclosureGroup<Label: View, Content: View>: View {
  public var body: Never { standIn() }
}
extension DisclosureGroup {
  nonisolated public init(
    @ViewBuilder content: @escaping () -> Content, @ViewBuilder label: () -> Label
  ) { standIn() }
}
extension DisclosureGroup where Label == Text {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, @ViewBuilder content: @escaping () -> Content
  ) { standIn() }
  nonisolated public init(
    _ titleKey: LocalizedStringKey, isExpanded: Binding<Bool>,
    @ViewBuilder content: @escaping () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/navigationstack
@available(iOS 16, macOS 13, *)
public struct NavigationStack<Data, Root: View>: View {
  public var body: Never { standIn() }
}
@available(iOS 16, macOS 13, *)
extension NavigationStack where Data == NavigationPath {
  nonisolated public init(@ViewBuilder root: () -> Root) { standIn() }
}

/// developer.apple.com/documentation/swiftui/navigationpath
@available(iOS 16, macOS 13, *)
public struct NavigationPath {}

/// developer.apple.com/documentation/swiftui/navigationlink
public struct NavigationLink<Label: View, Destination: View>: View {
  nonisolated public init(
    @ViewBuilder destination: () -> Destination, @ViewBuilder label: () -> Label
  ) { standIn() }
  public var body: Never { standIn() }
}
extension NavigationLink where Label == Text {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, @ViewBuilder destination: () -> Destination
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/tabview
public struct TabView<SelectionValue: Hashable, Content: View>: View {
  @available(iOS 18, macOS 15, *)
  nonisolated public init<C: TabContent>(
    selection: Binding<SelectionValue>, @TabContentBuilder<SelectionValue> content: () -> C
  ) where Content == TabContentBuilder<SelectionValue>.Content<C>, SelectionValue == C.TabValue {
    standIn()
  }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/tabcontent
@available(iOS 18, macOS 15, *)
@MainActor @preconcurrency public protocol TabContent<TabValue> {
  associatedtype TabValue: Hashable where TabValue == Body.TabValue
  associatedtype Body: TabContent
  @TabContentBuilder<TabValue> var body: Body { get }
}
@available(iOS 18, macOS 15, *)
extension Never: TabContent {
  public typealias TabValue = Never
}

/// developer.apple.com/documentation/swiftui/tabcontentbuilder
@available(iOS 18, macOS 15, *)
@resultBuilder public struct TabContentBuilder<TabValue: Hashable> {
  public struct Content<C: TabContent>: View {
    public var body: Never { standIn() }
  }
  public static func buildExpression<C: TabContent>(_ content: C) -> C
  where C.TabValue == TabValue { standIn() }
  public static func buildBlock<C: TabContent>(_ content: C) -> C where C.TabValue == TabValue {
    standIn()
  }
  public static func buildBlock<each C: TabContent>(
    _ content: repeat each C
  ) -> StandInTabs<TabValue> { standIn() }
}

/// What a builder of tabs gives here: some tabs.
@available(iOS 18, macOS 15, *)
public struct StandInTabs<TabValue: Hashable>: TabContent {
  public var body: Self { return standIn() }
}

/// developer.apple.com/documentation/swiftui/tab
@available(iOS 18, macOS 15, *)
public struct Tab<Value, Content, Label> {}
@available(iOS 18, macOS 15, *)
extension Tab: TabContent where Value: Hashable, Content: View, Label: View {
  public typealias TabValue = Value
  public var body: Self { return standIn() }
}
@available(iOS 18, macOS 15, *)
extension Tab where Value: Hashable, Content: View, Label == DefaultTabLabel {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, value: Value,
    @ViewBuilder content: () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/defaulttablabel
@available(iOS 18, macOS 15, *)
public struct DefaultTabLabel: View {
  public var body: Never { standIn() }
}
extension Section where Parent: View, Content: View, Footer == EmptyView {
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder header: () -> Parent
  ) { standIn() }
}
