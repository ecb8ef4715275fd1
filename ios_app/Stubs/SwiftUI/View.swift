// Stand-in for SwiftUI on Linux: signatures only, of what is used. Modifiers are `nonisolated` and
// views isolated to the main actor, as in Apple's interface.
@_exported import AppKit
@_exported import CoreGraphics
@_exported import FoundationMembers
@_exported import UIKit
@_exported import UniformTypeIdentifiers

/// developer.apple.com/documentation/swiftui/view
@MainActor @preconcurrency public protocol View {
  associatedtype Body: View
  @ViewBuilder var body: Body { get }
}

extension Never: View {
  /// developer.apple.com/documentation/swiftui/never/body
  public var body: Never { standIn() }
}

/// What modifiers give here: some view.
public struct StandInView: View {
  nonisolated init() { standIn() }
  nonisolated package static var trap: Self { standIn() }
  /// As the protocol has it.
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/viewbuilder
@resultBuilder public struct ViewBuilder {
  /// developer.apple.com/documentation/swiftui/viewbuilder/buildexpression(_:)
  public static func buildExpression<Content: View>(_ content: Content) -> Content { standIn() }
  /// developer.apple.com/documentation/swiftui/viewbuilder/buildblock()
  public static func buildBlock() -> EmptyView { standIn() }
  /// developer.apple.com/documentation/swiftui/viewbuilder/buildblock(_:)
  public static func buildBlock<Content: View>(_ content: Content) -> Content { standIn() }
  /// developer.apple.com/documentation/swiftui/viewbuilder/buildblock(_:)
  public static func buildBlock<each Content: View>(
    _ content: repeat each Content
  ) -> TupleView<(repeat each Content)> { standIn() }
  /// developer.apple.com/documentation/swiftui/viewbuilder/buildif(_:)
  public static func buildIf<Content: View>(_ content: Content?) -> Content? { standIn() }
  /// developer.apple.com/documentation/swiftui/viewbuilder/buildeither(first:)
  public static func buildEither<TrueContent: View, FalseContent: View>(
    first: TrueContent
  ) -> _ConditionalContent<TrueContent, FalseContent> { standIn() }
  /// developer.apple.com/documentation/swiftui/viewbuilder/buildeither(second:)
  public static func buildEither<TrueContent: View, FalseContent: View>(
    second: FalseContent
  ) -> _ConditionalContent<TrueContent, FalseContent> { standIn() }
  /// developer.apple.com/documentation/swiftui/viewbuilder/buildlimitedavailability(_:)
  public static func buildLimitedAvailability<Content: View>(_ content: Content) -> AnyView {
    standIn()
  }
}

extension Optional: View where Wrapped: View {
  /// developer.apple.com/documentation/swiftui/optional/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/emptyview
public struct EmptyView: View {
  /// developer.apple.com/documentation/swiftui/emptyview/init()
  nonisolated public init() { standIn() }
  /// developer.apple.com/documentation/swiftui/emptyview/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/tupleview
public struct TupleView<Content>: View {
  /// developer.apple.com/documentation/swiftui/tupleview/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/_conditionalcontent
public struct _ConditionalContent<TrueContent: View, FalseContent: View>: View {
  /// developer.apple.com/documentation/swiftui/_conditionalcontent/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/anyview
public struct AnyView: View {
  /// developer.apple.com/documentation/swiftui/anyview/init(_:)
  nonisolated public init<V: View>(_ view: V) { standIn() }
  /// developer.apple.com/documentation/swiftui/anyview/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/viewmodifier
@MainActor @preconcurrency public protocol ViewModifier {
  typealias Content = _ViewModifier_Content<Self>
  associatedtype Body: View
  @ViewBuilder func body(content: Content) -> Body
}

/// developer.apple.com/documentation/swiftui/viewmodifier/content
public struct _ViewModifier_Content<Modifier: ViewModifier>: View {
  /// developer.apple.com/documentation/swiftui/_viewmodifier_content/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/modifiedcontent
public struct ModifiedContent<Content, Modifier> {}
extension ModifiedContent: View where Content: View, Modifier: ViewModifier {
  /// developer.apple.com/documentation/swiftui/modifiedcontent/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/previewprovider
@MainActor @preconcurrency public protocol PreviewProvider {
  associatedtype Previews: View
  @ViewBuilder static var previews: Previews { get }
}

/// developer.apple.com/documentation/swiftui/uiviewrepresentable
@MainActor @preconcurrency public protocol UIViewRepresentable: View where Body == Never {
  associatedtype UIViewType: UIView
  typealias Context = UIViewRepresentableContext<Self>
  func makeUIView(context: Context) -> UIViewType
  func updateUIView(_ uiView: UIViewType, context: Context)
}
extension UIViewRepresentable {
  /// developer.apple.com/documentation/swiftui/uiviewrepresentable/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/uiviewrepresentablecontext
@MainActor @preconcurrency
public struct UIViewRepresentableContext<
  Representable: UIViewRepresentable
> {}

/// developer.apple.com/documentation/swiftui/nsviewrepresentable
@MainActor @preconcurrency public protocol NSViewRepresentable: View where Body == Never {
  associatedtype NSViewType: NSView
  typealias Context = NSViewRepresentableContext<Self>
  func makeNSView(context: Context) -> NSViewType
  func updateNSView(_ nsView: NSViewType, context: Context)
}
extension NSViewRepresentable {
  /// developer.apple.com/documentation/swiftui/nsviewrepresentable/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/nsviewrepresentablecontext
@MainActor @preconcurrency public struct NSViewRepresentableContext<View: NSViewRepresentable> {}
