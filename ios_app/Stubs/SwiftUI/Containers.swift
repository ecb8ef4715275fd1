// Stand-in for SwiftUI on Linux: layout, lists, navigation.
import CoreGraphics
import FoundationMembers

/// developer.apple.com/documentation/swiftui/alignment
public struct Alignment: Equatable, Sendable {
  /// developer.apple.com/documentation/swiftui/alignment/center
  public static let center: Alignment = standIn()
  /// developer.apple.com/documentation/swiftui/alignment/leading
  public static let leading: Alignment = standIn()
  /// developer.apple.com/documentation/swiftui/alignment/trailing
  public static let trailing: Alignment = standIn()
  /// developer.apple.com/documentation/swiftui/alignment/top
  public static let top: Alignment = standIn()
  /// developer.apple.com/documentation/swiftui/alignment/bottom
  public static let bottom: Alignment = standIn()
  /// developer.apple.com/documentation/swiftui/alignment/topleading
  public static let topLeading: Alignment = standIn()
  /// developer.apple.com/documentation/swiftui/alignment/bottomtrailing
  public static let bottomTrailing: Alignment = standIn()
}

/// developer.apple.com/documentation/swiftui/horizontalalignment
public struct HorizontalAlignment: Equatable, Sendable {
  /// developer.apple.com/documentation/swiftui/horizontalalignment/leading
  public static let leading: HorizontalAlignment = standIn()
  /// developer.apple.com/documentation/swiftui/horizontalalignment/center
  public static let center: HorizontalAlignment = standIn()
  /// developer.apple.com/documentation/swiftui/horizontalalignment/trailing
  public static let trailing: HorizontalAlignment = standIn()
}

/// developer.apple.com/documentation/swiftui/verticalalignment
public struct VerticalAlignment: Equatable, Sendable {
  /// developer.apple.com/documentation/swiftui/verticalalignment/top
  public static let top: VerticalAlignment = standIn()
  /// developer.apple.com/documentation/swiftui/verticalalignment/center
  public static let center: VerticalAlignment = standIn()
  /// developer.apple.com/documentation/swiftui/verticalalignment/bottom
  public static let bottom: VerticalAlignment = standIn()
  /// developer.apple.com/documentation/swiftui/verticalalignment/firsttextbaseline
  public static let firstTextBaseline: VerticalAlignment = standIn()
}

/// developer.apple.com/documentation/swiftui/axis
public enum Axis: Int8, CaseIterable, Sendable {
  case horizontal, vertical
  /// developer.apple.com/documentation/swiftui/axis/set
  public struct Set: OptionSet, Sendable {
    /// developer.apple.com/documentation/swiftui/axis/set/rawvalue
    public let rawValue: Int8
    /// developer.apple.com/documentation/swiftui/axis/set/init(rawvalue:)
    public init(rawValue: Int8) { self.rawValue = rawValue }
    /// developer.apple.com/documentation/swiftui/axis/set/horizontal
    public static let horizontal: Axis.Set = standIn()
    /// developer.apple.com/documentation/swiftui/axis/set/vertical
    public static let vertical: Axis.Set = standIn()
  }
}

/// developer.apple.com/documentation/swiftui/edge
public enum Edge: Int8, CaseIterable, Sendable {
  case top, leading, bottom, trailing
  /// developer.apple.com/documentation/swiftui/edge/set
  public struct Set: OptionSet, Sendable {
    /// developer.apple.com/documentation/swiftui/edge/set/rawvalue
    public let rawValue: Int8
    /// developer.apple.com/documentation/swiftui/edge/set/init(rawvalue:)
    public init(rawValue: Int8) { self.rawValue = rawValue }
    /// developer.apple.com/documentation/swiftui/edge/set/top
    public static let top: Edge.Set = standIn()
    /// developer.apple.com/documentation/swiftui/edge/set/leading
    public static let leading: Edge.Set = standIn()
    /// developer.apple.com/documentation/swiftui/edge/set/bottom
    public static let bottom: Edge.Set = standIn()
    /// developer.apple.com/documentation/swiftui/edge/set/trailing
    public static let trailing: Edge.Set = standIn()
    /// developer.apple.com/documentation/swiftui/edge/set/all
    public static let all: Edge.Set = standIn()
    /// developer.apple.com/documentation/swiftui/edge/set/horizontal
    public static let horizontal: Edge.Set = standIn()
    /// developer.apple.com/documentation/swiftui/edge/set/vertical
    public static let vertical: Edge.Set = standIn()
  }
}

/// developer.apple.com/documentation/swiftui/hstack
public struct HStack<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/hstack/init(alignment:spacing:content:)
  nonisolated public init(
    alignment: VerticalAlignment = .center, spacing: CGFloat? = nil,
    @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/hstack/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/vstack
public struct VStack<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/vstack/init(alignment:spacing:content:)
  nonisolated public init(
    alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil,
    @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/vstack/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/zstack
public struct ZStack<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/zstack/init(alignment:content:)
  nonisolated public init(
    alignment: Alignment = .center, @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/zstack/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/lazyvstack
public struct LazyVStack<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/lazyvstack/init(alignment:spacing:content:)
  nonisolated public init(
    alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil,
    @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/lazyvstack/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/lazyvgrid
public struct LazyVGrid<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/lazyvgrid/init(columns:spacing:content:)
  nonisolated public init(
    columns: [GridItem], spacing: CGFloat? = nil, @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/lazyvgrid/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/griditem
public struct GridItem: Sendable {
  /// developer.apple.com/documentation/swiftui/griditem/size-swift.enum
  public enum Size: Sendable { case adaptive(minimum: CGFloat, maximum: CGFloat = .infinity) }
  /// developer.apple.com/documentation/swiftui/griditem/init(_:spacing:)
  public init(_ size: Size, spacing: CGFloat? = nil) { standIn() }
}

/// developer.apple.com/documentation/swiftui/scrollview
public struct ScrollView<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/scrollview/init(_:content:)
  nonisolated public init(
    _ axes: Axis.Set = .vertical, @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/scrollview/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/scrollviewreader
public struct ScrollViewReader<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/scrollviewreader/init(content:)
  public init(@ViewBuilder content: @escaping (ScrollViewProxy) -> Content) { standIn() }
  /// developer.apple.com/documentation/swiftui/scrollviewreader/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/scrollviewproxy
public struct ScrollViewProxy {
  /// developer.apple.com/documentation/swiftui/scrollviewproxy/scrollto(_:anchor:)
  public func scrollTo<ID: Hashable>(_ id: ID, anchor: UnitPoint? = nil) { standIn() }
}

/// developer.apple.com/documentation/swiftui/unitpoint
public struct UnitPoint: Hashable, Sendable {
  /// developer.apple.com/documentation/swiftui/unitpoint/bottom
  public static let bottom: UnitPoint = standIn()
}

/// developer.apple.com/documentation/swiftui/spacer
public struct Spacer: View {
  /// developer.apple.com/documentation/swiftui/spacer/init(minlength:)
  nonisolated public init(minLength: CGFloat? = nil) { standIn() }
  /// developer.apple.com/documentation/swiftui/spacer/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/divider
public struct Divider: View {
  /// developer.apple.com/documentation/swiftui/divider/init()
  nonisolated public init() { standIn() }
  /// developer.apple.com/documentation/swiftui/divider/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/group
public struct Group<Content> {}
extension Group: View where Content: View {
  /// developer.apple.com/documentation/swiftui/group/init(content:)
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
  /// developer.apple.com/documentation/swiftui/group/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/viewthatfits
@available(iOS 16, macOS 13, *)
public struct ViewThatFits<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/viewthatfits/init(in:content:)
  nonisolated public init(
    in axes: Axis.Set = [.horizontal, .vertical], @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/viewthatfits/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/foreach
public struct ForEach<Data: RandomAccessCollection, ID: Hashable, Content> {}
extension ForEach: View where Content: View {
  /// developer.apple.com/documentation/swiftui/foreach/body
  public var body: Never { standIn() }
}
extension ForEach where ID == Data.Element.ID, Content: View, Data.Element: Identifiable {
  /// developer.apple.com/documentation/swiftui/foreach/init(_:content:)
  nonisolated public init(
    _ data: Data, @ViewBuilder content: @escaping (Data.Element) -> Content
  ) { standIn() }
}
extension ForEach where Content: View {
  /// developer.apple.com/documentation/swiftui/foreach/init(_:id:content:)
  nonisolated public init(
    _ data: Data, id: KeyPath<Data.Element, ID>,
    @ViewBuilder content: @escaping (Data.Element) -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/list
public struct List<SelectionValue: Hashable, Content: View>: View {
  /// developer.apple.com/documentation/swiftui/list/init(selection:content:)
  nonisolated public init(
    selection: Binding<SelectionValue?>?, @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/list/body
  public var body: Never { standIn() }
}
extension List where SelectionValue == Never {
  /// developer.apple.com/documentation/swiftui/list/init(content:)
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
}

/// developer.apple.com/documentation/swiftui/form
public struct Form<Content: View>: View {
  /// developer.apple.com/documentation/swiftui/form/init(content:)
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
  /// developer.apple.com/documentation/swiftui/form/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/section
public struct Section<Parent, Content, Footer> {}
extension Section: View where Parent: View, Content: View, Footer: View {
  /// developer.apple.com/documentation/swiftui/section/body
  public var body: Never { standIn() }
}
extension Section where Parent: View, Content: View, Footer: View {
  /// developer.apple.com/documentation/swiftui/section/init(content:header:footer:)
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder header: () -> Parent,
    @ViewBuilder footer: () -> Footer
  ) { standIn() }
}
extension Section where Parent == EmptyView, Content: View, Footer: View {
  /// developer.apple.com/documentation/swiftui/section/init(content:footer:)
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder footer: () -> Footer
  ) { standIn() }
}
extension Section where Parent == EmptyView, Content: View, Footer == EmptyView {
  /// developer.apple.com/documentation/swiftui/section/init(content:)
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
}
extension Section where Parent == Text, Content: View, Footer == EmptyView {
  /// developer.apple.com/documentation/swiftui/section/init(_:content:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/section/init(_:content:)
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(
    _ title: S, @ViewBuilder content: () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/disclosuregroup
public struct DisclosureGroup<Label: View, Content: View>: View {
  /// developer.apple.com/documentation/swiftui/disclosuregroup/body
  public var body: Never { standIn() }
}
extension DisclosureGroup {
  /// developer.apple.com/documentation/swiftui/disclosuregroup/init(content:label:)
  nonisolated public init(
    @ViewBuilder content: @escaping () -> Content, @ViewBuilder label: () -> Label
  ) { standIn() }
}
extension DisclosureGroup where Label == Text {
  /// developer.apple.com/documentation/swiftui/disclosuregroup/init(_:content:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, @ViewBuilder content: @escaping () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/disclosuregroup/init(_:isexpanded:content:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, isExpanded: Binding<Bool>,
    @ViewBuilder content: @escaping () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/navigationstack
@available(iOS 16, macOS 13, *)
public struct NavigationStack<Data, Root: View>: View {
  /// developer.apple.com/documentation/swiftui/navigationstack/body
  public var body: Never { standIn() }
}
@available(iOS 16, macOS 13, *)
extension NavigationStack where Data == NavigationPath {
  /// developer.apple.com/documentation/swiftui/navigationstack/init(root:)
  nonisolated public init(@ViewBuilder root: () -> Root) { standIn() }
}

/// developer.apple.com/documentation/swiftui/navigationpath
@available(iOS 16, macOS 13, *)
public struct NavigationPath {}

/// developer.apple.com/documentation/swiftui/navigationlink
public struct NavigationLink<Label: View, Destination: View>: View {
  /// developer.apple.com/documentation/swiftui/navigationlink/init(destination:label:)
  nonisolated public init(
    @ViewBuilder destination: () -> Destination, @ViewBuilder label: () -> Label
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/navigationlink/body
  public var body: Never { standIn() }
}
extension NavigationLink where Label == Text {
  /// developer.apple.com/documentation/swiftui/navigationlink/init(_:destination:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, @ViewBuilder destination: () -> Destination
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/tabview
public struct TabView<SelectionValue: Hashable, Content: View>: View {
  /// developer.apple.com/documentation/swiftui/tabview/init(selection:content:)
  @available(iOS 18, macOS 15, *)
  nonisolated public init<C: TabContent>(
    selection: Binding<SelectionValue>, @TabContentBuilder<SelectionValue> content: () -> C
  ) where Content == TabContentBuilder<SelectionValue>.Content<C>, SelectionValue == C.TabValue {
    standIn()
  }
  /// developer.apple.com/documentation/swiftui/tabview/body
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
  /// developer.apple.com/documentation/swiftui/never/tabvalue
  public typealias TabValue = Never
}

/// developer.apple.com/documentation/swiftui/tabcontentbuilder
@available(iOS 18, macOS 15, *)
@resultBuilder public struct TabContentBuilder<TabValue: Hashable> {
  /// developer.apple.com/documentation/swiftui/tabcontentbuilder/content
  public struct Content<C: TabContent>: View {
    /// developer.apple.com/documentation/swiftui/tabcontentbuilder/content/body
    public var body: Never { standIn() }
  }
  /// developer.apple.com/documentation/swiftui/tabcontentbuilder/buildexpression(_:)
  public static func buildExpression<C: TabContent>(_ content: C) -> C
  where C.TabValue == TabValue { standIn() }
  /// developer.apple.com/documentation/swiftui/tabcontentbuilder/buildblock(_:)
  public static func buildBlock<C: TabContent>(_ content: C) -> C where C.TabValue == TabValue {
    standIn()
  }
  /// developer.apple.com/documentation/swiftui/tabcontentbuilder/buildblock(_:)
  public static func buildBlock<each C: TabContent>(
    _ content: repeat each C
  ) -> StandInTabs<TabValue> { standIn() }
}

/// What a builder of tabs gives here: some tabs.
@available(iOS 18, macOS 15, *)
public struct StandInTabs<TabValue: Hashable>: TabContent {
  /// As the protocol has it.
  public var body: Self { return standIn() }
}

/// developer.apple.com/documentation/swiftui/tab
@available(iOS 18, macOS 15, *)
public struct Tab<Value, Content, Label> {}
@available(iOS 18, macOS 15, *)
extension Tab: TabContent where Value: Hashable, Content: View, Label: View {
  /// developer.apple.com/documentation/swiftui/tab/tabvalue
  public typealias TabValue = Value
  /// developer.apple.com/documentation/swiftui/tab/body
  public var body: Self { return standIn() }
}
@available(iOS 18, macOS 15, *)
extension Tab where Value: Hashable, Content: View, Label == DefaultTabLabel {
  /// developer.apple.com/documentation/swiftui/tab/init(_:systemimage:value:content:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, value: Value,
    @ViewBuilder content: () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/defaulttablabel
@available(iOS 18, macOS 15, *)
public struct DefaultTabLabel: View {
  /// developer.apple.com/documentation/swiftui/defaulttablabel/body
  public var body: Never { standIn() }
}
extension Section where Parent: View, Content: View, Footer == EmptyView {
  /// developer.apple.com/documentation/swiftui/section/init(content:header:)
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder header: () -> Parent
  ) { standIn() }
}
