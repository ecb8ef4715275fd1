// Stand-in for SwiftUI on Linux: controls.
import CoreGraphics
import FoundationMembers
import UniformTypeIdentifiers

/// developer.apple.com/documentation/swiftui/buttonrole
@available(iOS 15, macOS 12, *)
public struct ButtonRole: Equatable, Sendable {
  public static let destructive: ButtonRole = standIn()
  public static let cancel: ButtonRole = standIn()
}

/// developer.apple.com/documentation/swiftui/button
public struct Button<Label: View>: View {
  nonisolated public init(
    action: @escaping @MainActor () -> Void, @ViewBuilder label: () -> Label
  ) { standIn() }
  nonisolated public init(
    role: ButtonRole?, action: @escaping @MainActor () -> Void, @ViewBuilder label: () -> Label
  ) { standIn() }
  public var body: Never { standIn() }
}
extension Button where Label == Text {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, action: @escaping @MainActor () -> Void
  ) { standIn() }
  nonisolated public init(
    _ titleKey: LocalizedStringKey, role: ButtonRole?, action: @escaping @MainActor () -> Void
  ) { standIn() }
}
extension Button where Label == SwiftUI.Label<Text, Image> {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, action: @escaping @MainActor () -> Void
  ) { standIn() }
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, role: ButtonRole?,
    action: @escaping @MainActor () -> Void
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/toggle
public struct Toggle<Label: View>: View {
  nonisolated public init(isOn: Binding<Bool>, @ViewBuilder label: () -> Label) { standIn() }
  public var body: Never { standIn() }
}
extension Toggle where Label == Text {
  nonisolated public init(_ titleKey: LocalizedStringKey, isOn: Binding<Bool>) { standIn() }
}
extension Toggle where Label == SwiftUI.Label<Text, Image> {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, isOn: Binding<Bool>
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/picker
public struct Picker<Label: View, SelectionValue: Hashable, Content: View>: View {
  nonisolated public init(
    selection: Binding<SelectionValue>, @ViewBuilder content: () -> Content,
    @ViewBuilder label: () -> Label
  ) { standIn() }
  public var body: Never { standIn() }
}
extension Picker where Label == Text {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, selection: Binding<SelectionValue>,
    @ViewBuilder content: () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/stepper
public struct Stepper<Label: View>: View {
  nonisolated public init<V: Strideable>(
    value: Binding<V>, in bounds: ClosedRange<V>, step: V.Stride = 1,
    @ViewBuilder label: () -> Label, onEditingChanged: @escaping (Bool) -> Void = { _ in }
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/slider
public struct Slider<Label: View, ValueLabel: View>: View {
  public var body: Never { standIn() }
}
extension Slider where ValueLabel == EmptyView {
  nonisolated public init<V: BinaryFloatingPoint>(
    value: Binding<V>, in bounds: ClosedRange<V>, step: V.Stride = 1,
    @ViewBuilder label: () -> Label, onEditingChanged: @escaping (Bool) -> Void = { _ in }
  ) where V.Stride: BinaryFloatingPoint { standIn() }
}

/// developer.apple.com/documentation/swiftui/textfield
public struct TextField<Label: View>: View {
  public var body: Never { standIn() }
}
extension TextField where Label == Text {
  nonisolated public init(_ titleKey: LocalizedStringKey, text: Binding<String>) { standIn() }
  nonisolated public init(_ titleKey: LocalizedStringKey, text: Binding<String>, axis: Axis) {
    standIn()
  }
}

/// developer.apple.com/documentation/swiftui/securefield
public struct SecureField<Label: View>: View {
  public var body: Never { standIn() }
}
extension SecureField where Label == Text {
  nonisolated public init(_ titleKey: LocalizedStringKey, text: Binding<String>) { standIn() }
}

/// developer.apple.com/documentation/swiftui/progressview
public struct ProgressView<Label: View, CurrentValueLabel: View>: View {
  public var body: Never { standIn() }
}
extension ProgressView where Label == EmptyView, CurrentValueLabel == EmptyView {
  nonisolated public init() { standIn() }
  nonisolated public init<V: BinaryFloatingPoint>(value: V?, total: V = 1.0) { standIn() }
}
extension ProgressView where Label == Text, CurrentValueLabel == EmptyView {
  nonisolated public init(_ titleKey: LocalizedStringKey) { standIn() }
}
extension ProgressView where CurrentValueLabel == EmptyView {
  nonisolated public init<V: BinaryFloatingPoint>(
    value: V?, total: V = 1.0, @ViewBuilder label: () -> Label
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/menu
public struct Menu<Label: View, Content: View>: View {
  nonisolated public init(
    @ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label
  ) { standIn() }
  public var body: Never { standIn() }
}
extension Menu where Label == SwiftUI.Label<Text, Image> {
  nonisolated public init(
    _ titleKey: LocalizedStringKey, systemImage: String, @ViewBuilder content: () -> Content
  ) { standIn() }
}

/// developer.apple.com/documentation/swiftui/link
public struct Link<Label: View>: View {
  public var body: Never { standIn() }
}
extension Link where Label == Text {
  nonisolated public init(_ titleKey: LocalizedStringKey, destination: URL) { standIn() }
  @_disfavoredOverload nonisolated public init<S: StringProtocol>(_ title: S, destination: URL) {
    standIn()
  }
}

/// developer.apple.com/documentation/swiftui/sharelink
@available(iOS 16, macOS 13, *)
public struct ShareLink<
  Data: RandomAccessCollection, PreviewImage, PreviewIcon, Label: View
>: View where Data.Element: Transferable {
  public var body: Never { standIn() }
}
@available(iOS 16, macOS 13, *)
extension ShareLink where PreviewIcon == Never {
  nonisolated public init<I: Transferable>(
    item: I, subject: Text? = nil, message: Text? = nil,
    preview: SharePreview<PreviewImage, PreviewIcon>,
    @ViewBuilder label: () -> Label
  ) where Data == CollectionOfOne<I>, PreviewImage: Transferable { standIn() }
}
@available(iOS 16, macOS 13, *)
extension ShareLink where PreviewImage == Never, PreviewIcon == Never {
  nonisolated public init(
    items: Data, subject: Text? = nil, message: Text? = nil, @ViewBuilder label: () -> Label
  ) where Data.Element == URL { standIn() }
  nonisolated public init(
    item: String, subject: Text? = nil, message: Text? = nil, @ViewBuilder label: () -> Label
  ) where Data == CollectionOfOne<String> { standIn() }
  nonisolated public init(
    item: URL, subject: Text? = nil, message: Text? = nil, @ViewBuilder label: () -> Label
  ) where Data == CollectionOfOne<URL> { standIn() }
}

/// developer.apple.com/documentation/swiftui/sharepreview
@available(iOS 16, macOS 13, *)
public struct SharePreview<Image, Icon> {}
@available(iOS 16, macOS 13, *)
extension SharePreview where Image: Transferable, Icon == Never {
  public init(_ title: Text, image: Image) { standIn() }
}
