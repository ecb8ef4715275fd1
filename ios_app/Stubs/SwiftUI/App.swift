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
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/scenebuilder
@resultBuilder public struct SceneBuilder {
  public static func buildExpression<Content: Scene>(_ content: Content) -> Content { standIn() }
  public static func buildBlock<Content: Scene>(_ content: Content) -> Content { standIn() }
}

/// developer.apple.com/documentation/swiftui/windowgroup
public struct WindowGroup<Content: View>: Scene {
  nonisolated public init(@ViewBuilder content: () -> Content) { standIn() }
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
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/commandsbuilder
@resultBuilder public struct CommandsBuilder {
  public static func buildExpression<Content: Commands>(_ content: Content) -> Content { standIn() }
  public static func buildBlock<Content: Commands>(_ content: Content) -> Content { standIn() }
  public static func buildBlock<each Content: Commands>(
    _ content: repeat each Content
  ) -> StandInCommands { standIn() }
}

/// developer.apple.com/documentation/swiftui/commandmenu
public struct CommandMenu<Content: View>: Commands {
  nonisolated public init(
    _ nameKey: LocalizedStringKey, @ViewBuilder content: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/commandgroup
public struct CommandGroup<Content: View>: Commands {
  nonisolated public init(
    replacing group: CommandGroupPlacement, @ViewBuilder addition: () -> Content
  ) { standIn() }
  public var body: Never { standIn() }
}

/// developer.apple.com/documentation/swiftui/commandgroupplacement
public struct CommandGroupPlacement: Sendable {
  public static let newItem: CommandGroupPlacement = standIn()
}

/// developer.apple.com/documentation/swiftui/keyequivalent
public struct KeyEquivalent: Sendable, Hashable, ExpressibleByExtendedGraphemeClusterLiteral {
  public static let `return`: KeyEquivalent = standIn()
  public static let escape: KeyEquivalent = standIn()
  public init(extendedGraphemeClusterLiteral: Character) { standIn() }
}

/// developer.apple.com/documentation/swiftui/eventmodifiers
public struct EventModifiers: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  public static let command: EventModifiers = standIn()
  public static let shift: EventModifiers = standIn()
  public static let option: EventModifiers = standIn()
}

/// developer.apple.com/documentation/swiftui/keyboardshortcut
public struct KeyboardShortcut: Sendable, Hashable {
  public static let cancelAction: KeyboardShortcut = standIn()
  public static let defaultAction: KeyboardShortcut = standIn()
}

/// developer.apple.com/documentation/swiftui/accessibilitytraits
public struct AccessibilityTraits: SetAlgebra, Sendable {
  public static let isHeader: AccessibilityTraits = standIn()
  public static let isButton: AccessibilityTraits = standIn()
  public static let isImage: AccessibilityTraits = standIn()
  public static let isSelected: AccessibilityTraits = standIn()
  public static let updatesFrequently: AccessibilityTraits = standIn()
  public typealias ArrayLiteralElement = AccessibilityTraits
  public init() { standIn() }
  public func union(_ other: Self) -> Self { standIn() }
  public func intersection(_ other: Self) -> Self { standIn() }
  public func symmetricDifference(_ other: Self) -> Self { standIn() }
  public func contains(_ member: Self) -> Bool { standIn() }
  public mutating func insert(_ member: Self) -> (inserted: Bool, memberAfterInsert: Self) {
    standIn()
  }
  public mutating func remove(_ member: Self) -> Self? { standIn() }
  public mutating func update(with member: Self) -> Self? { standIn() }
  public mutating func formUnion(_ other: Self) { standIn() }
  public mutating func formIntersection(_ other: Self) { standIn() }
  public mutating func formSymmetricDifference(_ other: Self) { standIn() }
}

/// developer.apple.com/documentation/swiftui/accessibilitychildbehavior
public struct AccessibilityChildBehavior: Hashable, Sendable {
  public static let combine: AccessibilityChildBehavior = standIn()
  public static let contain: AccessibilityChildBehavior = standIn()
  public static let ignore: AccessibilityChildBehavior = standIn()
}
