// Stand-in for SwiftUI on Linux: the app, its windows and its menus.
import FoundationMembers
import Observation

/// developer.apple.com/documentation/swiftui/app
@MainActor @preconcurrency public protocol App {
  associatedtype Body: Scene
  @SceneBuilder var body: Body { get }
  init()
}
extension App {
  /// developer.apple.com/documentation/swiftui/app/main()
  public static func main() { standIn() }
}

/// developer.apple.com/documentation/swiftui/scene
@MainActor @preconcurrency public protocol Scene {
  associatedtype Body: Scene
  @SceneBuilder var body: Body { get }
}
extension Never: Scene {}

/// What modifiers of scenes give here: some scene.
public struct StandInScene: Scene {
  /// As the protocol has it.
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/scenebuilder
@resultBuilder public struct SceneBuilder {
  /// developer.apple.com/documentation/swiftui/scenebuilder/buildexpression(_:)
  public static func buildExpression<Content: Scene>(_ content: Content) -> Content { standIn() }
  /// developer.apple.com/documentation/swiftui/scenebuilder/buildblock(_:)
  public static func buildBlock<Content: Scene>(_ content: Content) -> Content { standIn() }
}

/// developer.apple.com/documentation/swiftui/windowgroup
public struct WindowGroup<Content: View>: Scene {
  /// developer.apple.com/documentation/swiftui/windowgroup/init(content:)
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
  /// developer.apple.com/documentation/swiftui/windowgroup/body
  public var body: Never { standIn() }
}

extension Scene {
  /// developer.apple.com/documentation/swiftui/scene/commands(content:)
  nonisolated public func commands<Content: Commands>(
    @CommandsBuilder content: () -> Content
  ) -> some Scene { standIn() as StandInScene }
}

/// developer.apple.com/documentation/swiftui/commands
@MainActor @preconcurrency public protocol Commands {
  associatedtype Body: Commands
  @CommandsBuilder var body: Body { get }
}
extension Never: Commands {}

/// What a builder of commands gives here: some commands.
public struct StandInCommands: Commands {
  /// As the protocol has it.
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/commandsbuilder
@resultBuilder public struct CommandsBuilder {
  /// developer.apple.com/documentation/swiftui/commandsbuilder/buildexpression(_:)
  public static func buildExpression<Content: Commands>(_ content: Content) -> Content { standIn() }
  /// developer.apple.com/documentation/swiftui/commandsbuilder/buildblock(_:)
  public static func buildBlock<Content: Commands>(_ content: Content) -> Content { standIn() }
  /// developer.apple.com/documentation/swiftui/commandsbuilder/buildblock(_:)
  public static func buildBlock<each Content: Commands>(
    _ content: repeat each Content
  ) -> StandInCommands { standIn() }
}

/// developer.apple.com/documentation/swiftui/commandmenu
public struct CommandMenu<Content: View>: Commands {
  /// developer.apple.com/documentation/swiftui/commandmenu/init(_:content:)
  nonisolated public init(
    _ nameKey: LocalizedStringKey, @ViewBuilder content: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/commandmenu/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/commandgroup
public struct CommandGroup<Content: View>: Commands {
  /// developer.apple.com/documentation/swiftui/commandgroup/init(replacing:addition:)
  nonisolated public init(
    replacing group: CommandGroupPlacement, @ViewBuilder addition: () -> Content
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/commandgroup/body
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/commandgroupplacement
public struct CommandGroupPlacement: Sendable {
  /// developer.apple.com/documentation/swiftui/commandgroupplacement/newitem
  public static let newItem: CommandGroupPlacement = standIn()
}

/// developer.apple.com/documentation/swiftui/keyequivalent
public struct KeyEquivalent: Sendable, Hashable, ExpressibleByExtendedGraphemeClusterLiteral {
  /// developer.apple.com/documentation/swiftui/keyequivalent/return
  public static let `return`: KeyEquivalent = standIn()
  /// developer.apple.com/documentation/swiftui/keyequivalent/escape
  public static let escape: KeyEquivalent = standIn()
  /// developer.apple.com/documentation/swiftui/keyequivalent/init(extendedgraphemeclusterliteral:)
  public init(extendedGraphemeClusterLiteral: Character) { standIn() }
}

/// developer.apple.com/documentation/swiftui/eventmodifiers
public struct EventModifiers: OptionSet, Sendable {
  /// developer.apple.com/documentation/swiftui/eventmodifiers/rawvalue
  public let rawValue: Int
  /// developer.apple.com/documentation/swiftui/eventmodifiers/init(rawvalue:)
  public init(rawValue: Int) { self.rawValue = rawValue }
  /// developer.apple.com/documentation/swiftui/eventmodifiers/command
  public static let command: EventModifiers = standIn()
  /// developer.apple.com/documentation/swiftui/eventmodifiers/shift
  public static let shift: EventModifiers = standIn()
  /// developer.apple.com/documentation/swiftui/eventmodifiers/option
  public static let option: EventModifiers = standIn()
}

/// developer.apple.com/documentation/swiftui/keyboardshortcut
public struct KeyboardShortcut: Sendable, Hashable {
  /// developer.apple.com/documentation/swiftui/keyboardshortcut/cancelaction
  public static let cancelAction: KeyboardShortcut = standIn()
  /// developer.apple.com/documentation/swiftui/keyboardshortcut/defaultaction
  public static let defaultAction: KeyboardShortcut = standIn()
}

/// developer.apple.com/documentation/swiftui/accessibilitytraits
public struct AccessibilityTraits: SetAlgebra, Sendable {
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/isheader
  public static let isHeader: AccessibilityTraits = standIn()
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/isbutton
  public static let isButton: AccessibilityTraits = standIn()
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/isimage
  public static let isImage: AccessibilityTraits = standIn()
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/isselected
  public static let isSelected: AccessibilityTraits = standIn()
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/updatesfrequently
  public static let updatesFrequently: AccessibilityTraits = standIn()
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/arrayliteralelement
  public typealias ArrayLiteralElement = AccessibilityTraits
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/init()
  public init() { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/union(_:)
  public func union(_ other: Self) -> Self { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/intersection(_:)
  public func intersection(_ other: Self) -> Self { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/symmetricdifference(_:)
  public func symmetricDifference(_ other: Self) -> Self { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/contains(_:)
  public func contains(_ member: Self) -> Bool { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/insert(_:)
  public mutating func insert(_ member: Self) -> (inserted: Bool, memberAfterInsert: Self) {
    standIn()
  }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/remove(_:)
  public mutating func remove(_ member: Self) -> Self? { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/update(with:)
  public mutating func update(with member: Self) -> Self? { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/formunion(_:)
  public mutating func formUnion(_ other: Self) { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/formintersection(_:)
  public mutating func formIntersection(_ other: Self) { standIn() }
  /// developer.apple.com/documentation/swiftui/accessibilitytraits/formsymmetricdifference(_:)
  public mutating func formSymmetricDifference(_ other: Self) { standIn() }
}

/// developer.apple.com/documentation/swiftui/accessibilitychildbehavior
public struct AccessibilityChildBehavior: Hashable, Sendable {
  /// developer.apple.com/documentation/swiftui/accessibilitychildbehavior/combine
  public static let combine: AccessibilityChildBehavior = standIn()
  /// developer.apple.com/documentation/swiftui/accessibilitychildbehavior/contain
  public static let contain: AccessibilityChildBehavior = standIn()
  /// developer.apple.com/documentation/swiftui/accessibilitychildbehavior/ignore
  public static let ignore: AccessibilityChildBehavior = standIn()
}
