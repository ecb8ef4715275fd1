// Stand-in for SwiftUI on Linux: shapes, colors, styles, toolbars.
import CoreGraphics
import FoundationMembers

/// developer.apple.com/documentation/swiftui/shapestyle
public protocol ShapeStyle: Sendable {}

/// developer.apple.com/documentation/swiftui/color
public struct Color: ShapeStyle, Hashable, Sendable {
  public static let red: Color = standIn()
  public static let orange: Color = standIn()
  public static let green: Color = standIn()
  public static let yellow: Color = standIn()
  public static let clear: Color = standIn()
  public static let accentColor: Color = standIn()
}
extension Color: View {
  public var body: Never { standIn() }
}
extension ShapeStyle where Self == Color {
  public static var red: Color { standIn() }
  public static var orange: Color { standIn() }
  public static var green: Color { standIn() }
  public static var yellow: Color { standIn() }
}

/// developer.apple.com/documentation/swiftui/hierarchicalshapestyle
public struct HierarchicalShapeStyle: ShapeStyle {}
extension ShapeStyle where Self == HierarchicalShapeStyle {
  public static var primary: HierarchicalShapeStyle { standIn() }
  public static var secondary: HierarchicalShapeStyle { standIn() }
  public static var tertiary: HierarchicalShapeStyle { standIn() }
  public static var quaternary: HierarchicalShapeStyle { standIn() }
}

/// developer.apple.com/documentation/swiftui/anyshapestyle
public struct AnyShapeStyle: ShapeStyle {
  public init<S: ShapeStyle>(_ style: S) { standIn() }
}

/// developer.apple.com/documentation/swiftui/tintshapestyle
public struct TintShapeStyle: ShapeStyle {}
extension ShapeStyle where Self == TintShapeStyle {
  public static var tint: TintShapeStyle { standIn() }
}

/// developer.apple.com/documentation/swiftui/material
public struct Material: ShapeStyle {}
extension ShapeStyle where Self == Material {
  public static var regularMaterial: Material { standIn() }
  public static var bar: Material { standIn() }
}

/// developer.apple.com/documentation/swiftui/fillstyle
public struct FillStyle: Equatable, Sendable {
  public init(eoFill: Bool = false, antialiased: Bool = true) { standIn() }
}

/// developer.apple.com/documentation/swiftui/shape
public protocol Shape: Sendable, View {}
extension Shape {
  /// developer.apple.com/documentation/swiftui/shape/stroke(_:linewidth:antialiased:)
  nonisolated public func stroke<S: ShapeStyle>(
    _ content: S, lineWidth: CGFloat = 1, antialiased: Bool = true
  ) -> some View { standIn() as StandInView }
}
/// developer.apple.com/documentation/swiftui/insettableshape
public protocol InsettableShape: Shape {}

/// developer.apple.com/documentation/swiftui/rectangle
public struct Rectangle: InsettableShape {
  nonisolated public init() { standIn() }
  nonisolated public var body: Never { standIn() }
}
/// developer.apple.com/documentation/swiftui/capsule
public struct Capsule: InsettableShape {
  nonisolated public init() { standIn() }
  nonisolated public var body: Never { standIn() }
}
/// developer.apple.com/documentation/swiftui/roundedrectangle
public struct RoundedRectangle: InsettableShape {
  nonisolated public init(cornerRadius: CGFloat) { standIn() }
  nonisolated public var body: Never { standIn() }
}
extension Shape where Self == Rectangle {
  nonisolated public static var rect: Rectangle { standIn() }
}
extension Shape where Self == Capsule {
  nonisolated public static var capsule: Capsule { standIn() }
}
extension Shape where Self == RoundedRectangle {
  nonisolated public static func rect(cornerRadius: CGFloat) -> Self { standIn() }
}

/// developer.apple.com/documentation/swiftui/contentmode
public enum ContentMode: Hashable, CaseIterable, Sendable { case fit, fill }
/// developer.apple.com/documentation/swiftui/textalignment
public enum TextAlignment: Hashable, CaseIterable, Sendable { case leading, center, trailing }
/// developer.apple.com/documentation/swiftui/verticaledge
public enum VerticalEdge: Int8, CaseIterable, Sendable { case top, bottom }
/// developer.apple.com/documentation/swiftui/horizontaledge
public enum HorizontalEdge: Int8, CaseIterable, Sendable { case leading, trailing }
/// developer.apple.com/documentation/swiftui/visibility
public enum Visibility: Hashable, CaseIterable, Sendable { case automatic, visible, hidden }

/// developer.apple.com/documentation/swiftui/animation
public struct Animation: Equatable, Sendable {
  public static let `default`: Animation = standIn()
}
/// developer.apple.com/documentation/swiftui/anytransition
public struct AnyTransition {
  nonisolated public static var opacity: AnyTransition { standIn() }
}

/// developer.apple.com/documentation/swiftui/submittriggers
public struct SubmitTriggers: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  public static let text: SubmitTriggers = standIn()
}
/// developer.apple.com/documentation/swiftui/searchfieldplacement
public struct SearchFieldPlacement: Sendable {
  public static let automatic: SearchFieldPlacement = standIn()
}
/// developer.apple.com/documentation/swiftui/textselectability
public protocol TextSelectability {}
/// developer.apple.com/documentation/swiftui/enabledtextselectability
public struct EnabledTextSelectability: TextSelectability {}
extension TextSelectability where Self == EnabledTextSelectability {
  public static var enabled: EnabledTextSelectability { standIn() }
}

/// developer.apple.com/documentation/swiftui/labelstyle
@MainActor @preconcurrency public protocol LabelStyle {}
/// developer.apple.com/documentation/swiftui/icononlylabelstyle
public struct IconOnlyLabelStyle: LabelStyle {}
extension LabelStyle where Self == IconOnlyLabelStyle {
  public static var iconOnly: IconOnlyLabelStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/primitivebuttonstyle
@MainActor @preconcurrency public protocol PrimitiveButtonStyle {}
/// developer.apple.com/documentation/swiftui/borderedbuttonstyle
public struct BorderedButtonStyle: PrimitiveButtonStyle {}
/// developer.apple.com/documentation/swiftui/borderedprominentbuttonstyle
public struct BorderedProminentButtonStyle: PrimitiveButtonStyle {}
/// developer.apple.com/documentation/swiftui/plainbuttonstyle
public struct PlainButtonStyle: PrimitiveButtonStyle {}
/// developer.apple.com/documentation/swiftui/borderlessbuttonstyle
public struct BorderlessButtonStyle: PrimitiveButtonStyle {}
extension PrimitiveButtonStyle where Self == BorderedButtonStyle {
  public static var bordered: BorderedButtonStyle { standIn() }
}
extension PrimitiveButtonStyle where Self == BorderedProminentButtonStyle {
  public static var borderedProminent: BorderedProminentButtonStyle { standIn() }
}
extension PrimitiveButtonStyle where Self == PlainButtonStyle {
  public static var plain: PlainButtonStyle { standIn() }
}
extension PrimitiveButtonStyle where Self == BorderlessButtonStyle {
  public static var borderless: BorderlessButtonStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/togglestyle
@MainActor @preconcurrency public protocol ToggleStyle {}
/// developer.apple.com/documentation/swiftui/buttontogglestyle
public struct ButtonToggleStyle: ToggleStyle {}
extension ToggleStyle where Self == ButtonToggleStyle {
  public static var button: ButtonToggleStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/pickerstyle
@MainActor @preconcurrency public protocol PickerStyle {}
/// developer.apple.com/documentation/swiftui/segmentedpickerstyle
public struct SegmentedPickerStyle: PickerStyle {}
/// developer.apple.com/documentation/swiftui/menupickerstyle
public struct MenuPickerStyle: PickerStyle {}
extension PickerStyle where Self == SegmentedPickerStyle {
  public static var segmented: SegmentedPickerStyle { standIn() }
}
extension PickerStyle where Self == MenuPickerStyle {
  public static var menu: MenuPickerStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/textfieldstyle
@MainActor @preconcurrency public protocol TextFieldStyle {}
/// developer.apple.com/documentation/swiftui/roundedbordertextfieldstyle
public struct RoundedBorderTextFieldStyle: TextFieldStyle {}
extension TextFieldStyle where Self == RoundedBorderTextFieldStyle {
  public static var roundedBorder: RoundedBorderTextFieldStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/formstyle
@MainActor @preconcurrency public protocol FormStyle {}
/// developer.apple.com/documentation/swiftui/groupedformstyle
public struct GroupedFormStyle: FormStyle {}
extension FormStyle where Self == GroupedFormStyle {
  public static var grouped: GroupedFormStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/tabviewstyle
@MainActor @preconcurrency public protocol TabViewStyle {}
/// developer.apple.com/documentation/swiftui/sidebaradaptabletabviewstyle
@available(iOS 18, macOS 15, *)
public struct SidebarAdaptableTabViewStyle: TabViewStyle {}
@available(iOS 18, macOS 15, *)
extension TabViewStyle where Self == SidebarAdaptableTabViewStyle {
  public static var sidebarAdaptable: SidebarAdaptableTabViewStyle { standIn() }
}

/// developer.apple.com/documentation/swiftui/toolbarcontent
@MainActor @preconcurrency public protocol ToolbarContent {
  associatedtype Body: ToolbarContent
  @ToolbarContentBuilder var body: Body { get }
}
extension Never: ToolbarContent {}
/// developer.apple.com/documentation/swiftui/toolbaritem
public struct ToolbarItem<ID, Content: View>: ToolbarContent {
  public var body: Never { standIn() }
}
extension ToolbarItem where ID == () {
  nonisolated public init(
    placement: ToolbarItemPlacement = .automatic, @ViewBuilder content: () -> Content
  ) { standIn() }
}
/// What a builder of toolbars gives here: some items.
public struct StandInToolbar: ToolbarContent {
  public var body: Never { standIn() }
}
/// developer.apple.com/documentation/swiftui/toolbarcontentbuilder
@resultBuilder public struct ToolbarContentBuilder {
  public static func buildExpression<Content: ToolbarContent>(_ content: Content) -> Content {
    standIn()
  }
  public static func buildBlock<Content: ToolbarContent>(_ content: Content) -> Content {
    standIn()
  }
  public static func buildBlock<each Content: ToolbarContent>(
    _ content: repeat each Content
  ) -> StandInToolbar { standIn() }
  public static func buildIf<Content: ToolbarContent>(_ content: Content?) -> StandInToolbar {
    standIn()
  }
}
/// developer.apple.com/documentation/swiftui/toolbaritemplacement
public struct ToolbarItemPlacement: Sendable {
  public static let automatic: ToolbarItemPlacement = standIn()
  public static let primaryAction: ToolbarItemPlacement = standIn()
  public static let cancellationAction: ToolbarItemPlacement = standIn()
  public static let confirmationAction: ToolbarItemPlacement = standIn()
}
