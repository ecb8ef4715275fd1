// Stand-in for SwiftUI on Linux: controls.
import CoreGraphics
import FoundationMembers
import UniformTypeIdentifiers

/// developer.apple.com/documentation/swiftui/buttonrole
@available(iOS 15, macOS 12, *)
public struct ButtonRole: Equatable, Sendable {
  /// developer.apple.com/documentation/swiftui/buttonrole/destructive
  public static let destructive: ButtonRole = standIn()
  /// developer.apple.com/documentation/swiftui/buttonrole/cancel
  public static let cancel: ButtonRole = standIn()
}

/// developer.apple.com/documentation/swiftui/button
public struct Button<Label: View>: View {
  /// developer.apple.com/documentation/swiftui/button/init(action:label:)
  nonisolated public init(
    action: @escaping @MainActor () -> Void, @ViewBuilder label: () -> Label
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/button/init(role:action:label:)
  nonisolated public init(
    role: ButtonRole?, action: @escaping @MainActor () -> Void, @ViewBuilder label: () -> Label
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/button/body
  public var body: Never { standIn() }
}
extension Button where Label == Text {
  /// developer.apple.com/documentation/swiftui/button/init(_:action:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, action: @escaping @MainActor () -> Void
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/button/init(_:role:action:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, role: ButtonRole?, action: @escaping @MainActor () -> Void
  ) { standIn() }
}
extension Button where Label == SwiftUI.Label<Text, Image> {
  /// developer.apple.com/documentation/swiftui/button/init(_:systemimage:action:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, action: @escaping @MainActor () -> Void
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/button/init(_:systemimage:role:action:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, role: ButtonRole?,
    action: @escaping @MainActor () -> Void
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/toggle
public struct Toggle<Label: View>: View {
  /// developer.apple.com/documentation/swiftui/toggle/init(ison:label:)
  nonisolated public init(isOn: Binding<Bool>, @ViewBuilder label: () -> Label) { standIn() }
  /// developer.apple.com/documentation/swiftui/toggle/body
  public var body: Never { standIn() }
}
extension Toggle where Label == Text {
  /// developer.apple.com/documentation/swiftui/toggle/init(_:ison:)
  nonisolated public init(_ titleKey: LocalizedStringKey, isOn: Binding<Bool>) { standIn() }
}
extension Toggle where Label == SwiftUI.Label<Text, Image> {
  /// developer.apple.com/documentation/swiftui/toggle/init(_:systemimage:ison:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, isOn: Binding<Bool>
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/picker
public struct Picker<Label: View, SelectionValue: Hashable, Content: View>: View {
  /// developer.apple.com/documentation/swiftui/picker/init(selection:content:label:)
  nonisolated public init(
    selection: Binding<SelectionValue>, @ViewBuilder content: () -> Content,
    @ViewBuilder label: () -> Label
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/picker/body
  public var body: Never { standIn() }
}
extension Picker where Label == Text {
  /// developer.apple.com/documentation/swiftui/picker/init(_:selection:content:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, selection: Binding<SelectionValue>,
    @ViewBuilder content: () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/stepper
public struct Stepper<Label: View>: View {
  /// developer.apple.com/documentation/swiftui/stepper/init(value:in:step:label:oneditingchanged:)
  nonisolated public init<V: Strideable>(
    value: Binding<V>, in bounds: ClosedRange<V>, step: V.Stride = 1,
    @ViewBuilder label: () -> Label, onEditingChanged: @escaping (Bool) -> Void = { _ in }
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/stepper/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/slider
public struct Slider<Label: View, ValueLabel: View>: View {
  /// developer.apple.com/documentation/swiftui/slider/body
  public var body: Never { standIn() }
}
extension Slider where ValueLabel == EmptyView {
  /// developer.apple.com/documentation/swiftui/slider/init(value:in:step:label:oneditingchanged:)
  nonisolated public init<V: BinaryFloatingPoint>(
    value: Binding<V>, in bounds: ClosedRange<V>, step: V.Stride = 1,
    @ViewBuilder label: () -> Label, onEditingChanged: @escaping (Bool) -> Void = { _ in }
  ) where V.Stride: BinaryFloatingPoint { standIn() }
}

/// developer.apple.com/documentation/swiftui/textfield
public struct TextField<Label: View>: View {
  /// developer.apple.com/documentation/swiftui/textfield/body
  public var body: Never { standIn() }
}
extension TextField where Label == Text {
  /// developer.apple.com/documentation/swiftui/textfield/init(_:text:)
  nonisolated public init(_ titleKey: LocalizedStringKey, text: Binding<String>) { standIn() }
  /// developer.apple.com/documentation/swiftui/textfield/init(_:text:axis:)
  nonisolated public init(_ titleKey: LocalizedStringKey, text: Binding<String>, axis: Axis) {
    standIn()
  }
}

/// developer.apple.com/documentation/swiftui/securefield
public struct SecureField<Label: View>: View {
  /// developer.apple.com/documentation/swiftui/securefield/body
  public var body: Never { standIn() }
}
extension SecureField where Label == Text {
  /// developer.apple.com/documentation/swiftui/securefield/init(_:text:)
  nonisolated public init(_ titleKey: LocalizedStringKey, text: Binding<String>) { standIn() }
}

/// developer.apple.com/documentation/swiftui/progressview
public struct ProgressView<Label: View, CurrentValueLabel: View>: View {
  /// developer.apple.com/documentation/swiftui/progressview/body
  public var body: Never { standIn() }
}
extension ProgressView where Label == EmptyView, CurrentValueLabel == EmptyView {
  /// developer.apple.com/documentation/swiftui/progressview/init()
  nonisolated public init() { standIn() }
  /// developer.apple.com/documentation/swiftui/progressview/init(value:total:)
  nonisolated public init<V: BinaryFloatingPoint>(value: V?, total: V = 1.0) { standIn() }
}
extension ProgressView where Label == Text, CurrentValueLabel == EmptyView {
  /// developer.apple.com/documentation/swiftui/progressview/init(_:)
  nonisolated public init(_ titleKey: LocalizedStringKey) { standIn() }
}
extension ProgressView where CurrentValueLabel == EmptyView {
  /// developer.apple.com/documentation/swiftui/progressview/init(value:total:label:)
  nonisolated public init<V: BinaryFloatingPoint>(
    value: V?, total: V = 1.0, @ViewBuilder label: () -> Label
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/menu
public struct Menu<Label: View, Content: View>: View {
  /// developer.apple.com/documentation/swiftui/menu/init(content:label:)
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/menu/body
  public var body: Never { standIn() }
}
extension Menu where Label == SwiftUI.Label<Text, Image> {
  /// developer.apple.com/documentation/swiftui/menu/init(_:systemimage:content:)
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, @ViewBuilder content: () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/link
public struct Link<Label: View>: View {
  /// developer.apple.com/documentation/swiftui/link/body
  public var body: Never { standIn() }
}
extension Link where Label == Text {
  /// developer.apple.com/documentation/swiftui/link/init(_:destination:)
  nonisolated public init(_ titleKey: LocalizedStringKey, destination: URL) { standIn() }
  /// developer.apple.com/documentation/swiftui/link/init(_:destination:)
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(_ title: S, destination: URL) {
    standIn()
  }
}

/// developer.apple.com/documentation/swiftui/sharelink
@available(iOS 16, macOS 13, *)
public struct ShareLink<
  Data: RandomAccessCollection, PreviewImage, PreviewIcon, Label: View
>: View where Data.Element: Transferable {
  /// developer.apple.com/documentation/swiftui/sharelink/body
  public var body: Never { standIn() }
}
@available(iOS 16, macOS 13, *)
extension ShareLink where PreviewIcon == Never {
  /// developer.apple.com/documentation/swiftui/sharelink/init(item:subject:message:preview:label:)
  nonisolated public init<I: Transferable>(
    item: I, subject: Text? = nil, message: Text? = nil,
    preview: SharePreview<PreviewImage, PreviewIcon>,
    @ViewBuilder label: () -> Label
  ) where Data == CollectionOfOne<I>, PreviewImage: Transferable { standIn() }
}
@available(iOS 16, macOS 13, *)
extension ShareLink where PreviewImage == Never, PreviewIcon == Never {
  /// developer.apple.com/documentation/swiftui/sharelink/init(items:subject:message:label:)
  nonisolated public init(
    items: Data, subject: Text? = nil, message: Text? = nil, @ViewBuilder label: () -> Label
  ) where Data.Element == URL { standIn() }
  /// developer.apple.com/documentation/swiftui/sharelink/init(item:subject:message:label:)
  nonisolated public init(
    item: String, subject: Text? = nil, message: Text? = nil, @ViewBuilder label: () -> Label
  ) where Data == CollectionOfOne<String> { standIn() }
  /// developer.apple.com/documentation/swiftui/sharelink/init(item:subject:message:label:)
  nonisolated public init(
    item: URL, subject: Text? = nil, message: Text? = nil, @ViewBuilder label: () -> Label
  ) where Data == CollectionOfOne<URL> { standIn() }
}

/// developer.apple.com/documentation/swiftui/sharepreview
@available(iOS 16, macOS 13, *)
public struct SharePreview<Image, Icon> {}
@available(iOS 16, macOS 13, *)
extension SharePreview where Image: Transferable, Icon == Never {
  /// developer.apple.com/documentation/swiftui/sharepreview/init(_:image:)
  public init(_ title: Text, image: Image) { standIn() }
}
