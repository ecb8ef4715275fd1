// Stand-in for SwiftUI on Linux: shapes, colors, styles, toolbars.
import CoreGraphics
import FoundationMembers

/// developer.apple.com/documentation/swiftui/shapestyle
public protocol ShapeStyle: Sendable {}

/// developer.apple.com/documentation/swiftui/color
public struct Color: ShapeStyle, Hashable, Sendable {
  /// developer.apple.com/documentation/swiftui/color/red
  public static let red: Color = standIn()
  /// developer.apple.com/documentation/swiftui/color/orange
  public static let orange: Color = standIn()
  /// developer.apple.com/documentation/swiftui/color/green
  public static let green: Color = standIn()
  /// developer.apple.com/documentation/swiftui/color/yellow
  public static let yellow: Color = standIn()
  /// developer.apple.com/documentation/swiftui/color/clear
  public static let clear: Color = standIn()
  /// developer.apple.com/documentation/swiftui/color/accentcolor
  public static let accentColor: Color = standIn()
}
extension Color: View {
  /// developer.apple.com/documentation/swiftui/color/body
  public var body: Never { standIn() }
}
extension ShapeStyle where Self == Color {
  /// developer.apple.com/documentation/swiftui/shapestyle/red
  public static var red: Color { standIn() }
  /// developer.apple.com/documentation/swiftui/shapestyle/orange
  public static var orange: Color { standIn() }
  /// developer.apple.com/documentation/swiftui/shapestyle/green
  public static var green: Color { standIn() }
  /// developer.apple.com/documentation/swiftui/shapestyle/yellow
  public static var yellow: Color { standIn() }
}

/// developer.apple.com/documentation/swiftui/hierarchicalshapestyle
public struct HierarchicalShapeStyle: ShapeStyle {}
extension ShapeStyle where Self == HierarchicalShapeStyle {
  /// developer.apple.com/documentation/swiftui/shapestyle/primary
  public static var primary: HierarchicalShapeStyle { standIn() }
  /// developer.apple.com/documentation/swiftui/shapestyle/secondary
  public static var secondary: HierarchicalShapeStyle { standIn() }
  /// developer.apple.com/documentation/swiftui/shapestyle/tertiary
  public static var tertiary: HierarchicalShapeStyle { standIn() }
  /// developer.apple.com/documentation/swiftui/shapestyle/quaternary
  public static var quaternary: HierarchicalShapeStyle { standIn() }
}

/// developer.apple.com/documentation/swiftui/anyshapestyle
public struct AnyShapeStyle: ShapeStyle {
  /// developer.apple.com/documentation/swiftui/anyshapestyle/init(_:)
  public init<S: ShapeStyle>(_ style: S) { standIn() }
}

/// developer.apple.com/documentation/swiftui/tintshapestyle
public struct TintShapeStyle: ShapeStyle {}
extension ShapeStyle where Self == TintShapeStyle {
  /// developer.apple.com/documentation/swiftui/shapestyle/tint
  public static var tint: TintShapeStyle { standIn() }
}

/// developer.apple.com/documentation/swiftui/material
public struct Material: ShapeStyle {}
extension ShapeStyle where Self == Material {
  /// developer.apple.com/documentation/swiftui/shapestyle/regularmaterial
  public static var regularMaterial: Material { standIn() }
  /// developer.apple.com/documentation/swiftui/shapestyle/bar
  public static var bar: Material { standIn() }
}

/// developer.apple.com/documentation/swiftui/fillstyle
public struct FillStyle: Equatable, Sendable {
  /// developer.apple.com/documentation/swiftui/fillstyle/init(eofill:antialiased:)
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
  /// developer.apple.com/documentation/swiftui/rectangle/init()
  nonisolated public init() { standIn() }
  /// developer.apple.com/documentation/swiftui/rectangle/body
  nonisolated public var body: Never { standIn() }
}
/// developer.apple.com/documentation/swiftui/capsule
public struct Capsule: InsettableShape {
  /// developer.apple.com/documentation/swiftui/capsule/init()
  nonisolated public init() { standIn() }
  /// developer.apple.com/documentation/swiftui/capsule/body
  nonisolated public var body: Never { standIn() }
}
/// developer.apple.com/documentation/swiftui/roundedrectangle
public struct RoundedRectangle: InsettableShape {
  /// developer.apple.com/documentation/swiftui/roundedrectangle/init(cornerradius:)
  nonisolated public init(cornerRadius: CGFloat) { standIn() }
  /// developer.apple.com/documentation/swiftui/roundedrectangle/body
  nonisolated public var body: Never { standIn() }
}
extension Shape where Self == Rectangle {
  /// developer.apple.com/documentation/swiftui/shape/rect
  nonisolated public static var rect: Rectangle { standIn() }
}
extension Shape where Self == Capsule {
  /// developer.apple.com/documentation/swiftui/shape/capsule
  nonisolated public static var capsule: Capsule { standIn() }
}
extension Shape where Self == RoundedRectangle {
  /// developer.apple.com/documentation/swiftui/shape/rect(cornerradius:)
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
  /// developer.apple.com/documentation/swiftui/animation/default
  public static let `default`: Animation = standIn()
}
/// developer.apple.com/documentation/swiftui/anytransition
public struct AnyTransition {
  /// developer.apple.com/documentation/swiftui/anytransition/opacity
  nonisolated public static var opacity: AnyTransition { standIn() }
}

/// developer.apple.com/documentation/swiftui/submittriggers
public struct SubmitTriggers: OptionSet, Sendable {
  /// developer.apple.com/documentation/swiftui/submittriggers/rawvalue
  public let rawValue: Int
  /// developer.apple.com/documentation/swiftui/submittriggers/init(rawvalue:)
  public init(rawValue: Int) { self.rawValue = rawValue }
  /// developer.apple.com/documentation/swiftui/submittriggers/text
  public static let text: SubmitTriggers = standIn()
}
/// developer.apple.com/documentation/swiftui/searchfieldplacement
public struct SearchFieldPlacement: Sendable {
  /// developer.apple.com/documentation/swiftui/searchfieldplacement/automatic
  public static let automatic: SearchFieldPlacement = standIn()
}
/// developer.apple.com/documentation/swiftui/textselectability
public protocol TextSelectability {}
/// developer.apple.com/documentation/swiftui/enabledtextselectability
public struct EnabledTextSelectability: TextSelectability {}
extension TextSelectability where Self == EnabledTextSelectability {
  /// developer.apple.com/documentation/swiftui/textselectability/enabled
  public static var enabled: EnabledTextSelectability { standIn() }
}

/// developer.apple.com/documentation/swiftui/labelstyle
@MainActor @preconcurrency public protocol LabelStyle {}
/// developer.apple.com/documentation/swiftui/icononlylabelstyle
public struct IconOnlyLabelStyle: LabelStyle {}
extension LabelStyle where Self == IconOnlyLabelStyle {
  /// developer.apple.com/documentation/swiftui/labelstyle/icononly
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
  /// developer.apple.com/documentation/swiftui/primitivebuttonstyle/bordered
  public static var bordered: BorderedButtonStyle { standIn() }
}
extension PrimitiveButtonStyle where Self == BorderedProminentButtonStyle {
  /// developer.apple.com/documentation/swiftui/primitivebuttonstyle/borderedprominent
  public static var borderedProminent: BorderedProminentButtonStyle { standIn() }
}
extension PrimitiveButtonStyle where Self == PlainButtonStyle {
  /// developer.apple.com/documentation/swiftui/primitivebuttonstyle/plain
  public static var plain: PlainButtonStyle { standIn() }
}
extension PrimitiveButtonStyle where Self == BorderlessButtonStyle {
  /// developer.apple.com/documentation/swiftui/primitivebuttonstyle/borderless
  public static var borderless: BorderlessButtonStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/togglestyle
@MainActor @preconcurrency public protocol ToggleStyle {}
/// developer.apple.com/documentation/swiftui/buttontogglestyle
public struct ButtonToggleStyle: ToggleStyle {}
extension ToggleStyle where Self == ButtonToggleStyle {
  /// developer.apple.com/documentation/swiftui/togglestyle/button
  public static var button: ButtonToggleStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/pickerstyle
@MainActor @preconcurrency public protocol PickerStyle {}
/// developer.apple.com/documentation/swiftui/segmentedpickerstyle
public struct SegmentedPickerStyle: PickerStyle {}
/// developer.apple.com/documentation/swiftui/menupickerstyle
public struct MenuPickerStyle: PickerStyle {}
extension PickerStyle where Self == SegmentedPickerStyle {
  /// developer.apple.com/documentation/swiftui/pickerstyle/segmented
  public static var segmented: SegmentedPickerStyle { standIn() }
}
extension PickerStyle where Self == MenuPickerStyle {
  /// developer.apple.com/documentation/swiftui/pickerstyle/menu
  public static var menu: MenuPickerStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/textfieldstyle
@MainActor @preconcurrency public protocol TextFieldStyle {}
/// developer.apple.com/documentation/swiftui/roundedbordertextfieldstyle
public struct RoundedBorderTextFieldStyle: TextFieldStyle {}
extension TextFieldStyle where Self == RoundedBorderTextFieldStyle {
  /// developer.apple.com/documentation/swiftui/textfieldstyle/roundedborder
  public static var roundedBorder: RoundedBorderTextFieldStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/formstyle
@MainActor @preconcurrency public protocol FormStyle {}
/// developer.apple.com/documentation/swiftui/groupedformstyle
public struct GroupedFormStyle: FormStyle {}
extension FormStyle where Self == GroupedFormStyle {
  /// developer.apple.com/documentation/swiftui/formstyle/grouped
  public static var grouped: GroupedFormStyle { standIn() }
}
/// developer.apple.com/documentation/swiftui/tabviewstyle
@MainActor @preconcurrency public protocol TabViewStyle {}
/// developer.apple.com/documentation/swiftui/sidebaradaptabletabviewstyle
@available(iOS 18, macOS 15, *)
public struct SidebarAdaptableTabViewStyle: TabViewStyle {}
@available(iOS 18, macOS 15, *)
extension TabViewStyle where Self == SidebarAdaptableTabViewStyle {
  /// developer.apple.com/documentation/swiftui/tabviewstyle/sidebaradaptable
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
  /// developer.apple.com/documentation/swiftui/toolbaritem/body
  public var body: Never { standIn() }
}
extension ToolbarItem where ID == () {
  /// developer.apple.com/documentation/swiftui/toolbaritem/init(placement:content:)
  nonisolated public init(
    placement: ToolbarItemPlacement = .automatic, @ViewBuilder content: () -> Content
  ) { standIn() }
}
/// What a builder of toolbars gives here: some items.
public struct StandInToolbar: ToolbarContent {
  /// As the protocol has it.
  public var body: Never { standIn() }
}
/// developer.apple.com/documentation/swiftui/toolbarcontentbuilder
@resultBuilder public struct ToolbarContentBuilder {
  /// developer.apple.com/documentation/swiftui/toolbarcontentbuilder/buildexpression(_:)
  public static func buildExpression<Content: ToolbarContent>(_ content: Content) -> Content {
    standIn()
  }
  /// developer.apple.com/documentation/swiftui/toolbarcontentbuilder/buildblock(_:)
  public static func buildBlock<Content: ToolbarContent>(_ content: Content) -> Content {
    standIn()
  }
  /// developer.apple.com/documentation/swiftui/toolbarcontentbuilder/buildblock(_:)
  public static func buildBlock<each Content: ToolbarContent>(
    _ content: repeat each Content
  ) -> StandInToolbar { standIn() }
  /// developer.apple.com/documentation/swiftui/toolbarcontentbuilder/buildif(_:)
  public static func buildIf<Content: ToolbarContent>(_ content: Content?) -> StandInToolbar {
    standIn()
  }
}
/// developer.apple.com/documentation/swiftui/toolbaritemplacement
public struct ToolbarItemPlacement: Sendable {
  /// developer.apple.com/documentation/swiftui/toolbaritemplacement/automatic
  public static let automatic: ToolbarItemPlacement = standIn()
  /// developer.apple.com/documentation/swiftui/toolbaritemplacement/primaryaction
  public static let primaryAction: ToolbarItemPlacement = standIn()
  /// developer.apple.com/documentation/swiftui/toolbaritemplacement/cancellationaction
  public static let cancellationAction: ToolbarItemPlacement = standIn()
  /// developer.apple.com/documentation/swiftui/toolbaritemplacement/confirmationaction
  public static let confirmationAction: ToolbarItemPlacement = standIn()
}
