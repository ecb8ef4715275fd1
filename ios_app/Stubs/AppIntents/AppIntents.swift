// Stand-in for AppIntents on Linux: signatures only, of what is used.
@_exported import FoundationMembers
import UniformTypeIdentifiers

/// developer.apple.com/documentation/appintents/appintent
@available(iOS 16, macOS 13, *)
public protocol AppIntent: Sendable {
  static var title: LocalizedStringResource { get }
  static var description: IntentDescription? { get }
  static var openAppWhenRun: Bool { get }
  associatedtype PerformResult: IntentResult
  func perform() async throws -> PerformResult
  init()
}
@available(iOS 16, macOS 13, *)
extension AppIntent {
  /// developer.apple.com/documentation/appintents/appintent/description
  public static var description: IntentDescription? { standIn() }
  /// developer.apple.com/documentation/appintents/appintent/openappwhenrun
  public static var openAppWhenRun: Bool { standIn() }
}

/// developer.apple.com/documentation/appintents/intentdescription
@available(iOS 16, macOS 13, *)
public struct IntentDescription: Sendable, ExpressibleByStringLiteral {
  /// developer.apple.com/documentation/appintents/intentdescription/init(stringliteral:)
  public init(stringLiteral value: String) { standIn() }
}

/// developer.apple.com/documentation/appintents/intentresult
@available(iOS 16, macOS 13, *)
public protocol IntentResult: Sendable {}
/// developer.apple.com/documentation/appintents/intentresult/result()
@available(iOS 16, macOS 13, *)
extension IntentResult where Self == StandInResult {
  /// developer.apple.com/documentation/appintents/intentresult/result()
  public static func result() -> some IntentResult { standIn() as StandInResult }
}
/// What a result of nothing is here.
@available(iOS 16, macOS 13, *)
public struct StandInResult: IntentResult {}

/// developer.apple.com/documentation/appintents/intentparameter
@available(iOS 16, macOS 13, *)
@propertyWrapper public final class IntentParameter<Value: Sendable>: @unchecked Sendable {
  /// developer.apple.com/documentation/appintents/intentparameter/init(title:)
  public init(title: LocalizedStringResource) { standIn() }
  /// developer.apple.com/documentation/appintents/intentparameter/init(title:supportedcontenttypes:)
  public init(title: LocalizedStringResource, supportedContentTypes: [UTType]) { standIn() }
  /// developer.apple.com/documentation/appintents/intentparameter/wrappedvalue
  public var wrappedValue: Value {
    get { standIn() }
    set { standIn() }
  }
}
@available(iOS 16, macOS 13, *)
extension AppIntent {
  /// developer.apple.com/documentation/appintents/appintent/parameter
  public typealias Parameter = IntentParameter
}

/// developer.apple.com/documentation/appintents/intentfile
@available(iOS 16, macOS 13, *)
public struct IntentFile: Sendable, Hashable {
  /// developer.apple.com/documentation/appintents/intentfile/data
  public var data: Data { standIn() }
  /// developer.apple.com/documentation/appintents/intentfile/filename
  public var filename: String { standIn() }
}

/// developer.apple.com/documentation/appintents/appshortcut
@available(iOS 16, macOS 13, *)
public struct AppShortcut: Sendable {
  /// developer.apple.com/documentation/appintents/appshortcut/init(intent:phrases:shorttitle:systemimagename:)
  public init<Intent: AppIntent>(
    intent: Intent, phrases: [AppShortcutPhrase<Intent>], shortTitle: LocalizedStringResource,
    systemImageName: String
  ) { standIn() }
}

/// developer.apple.com/documentation/appintents/appshortcutphrase
@available(iOS 16, macOS 13, *)
public struct AppShortcutPhrase<Intent: AppIntent>: Sendable, ExpressibleByStringInterpolation {
  /// developer.apple.com/documentation/appintents/appshortcutphrase/init(stringliteral:)
  public init(stringLiteral value: String) { standIn() }
  /// developer.apple.com/documentation/appintents/appshortcutphrase/init(stringinterpolation:)
  public init(stringInterpolation: StringInterpolation) { standIn() }
  /// developer.apple.com/documentation/appintents/appshortcutphrase/stringinterpolation
  public struct StringInterpolation: StringInterpolationProtocol {
    /// developer.apple.com/documentation/appintents/appshortcutphrase/stringinterpolation/init(literalcapacity:interpolationcount:)
    public init(literalCapacity: Int, interpolationCount: Int) { standIn() }
    /// developer.apple.com/documentation/appintents/appshortcutphrase/stringinterpolation/appendliteral(_:)
    public mutating func appendLiteral(_ literal: String) { standIn() }
    /// developer.apple.com/documentation/appintents/appshortcutphrase/stringinterpolation/appendinterpolation(_:)
    public mutating func appendInterpolation(_ token: AppShortcutPhraseToken) { standIn() }
  }
}

/// developer.apple.com/documentation/appintents/appshortcutphrasetoken
@available(iOS 16, macOS 13, *)
public enum AppShortcutPhraseToken: Sendable { case applicationName }

/// developer.apple.com/documentation/appintents/appshortcutsprovider
@available(iOS 16, macOS 13, *)
public protocol AppShortcutsProvider: Sendable {
  @AppShortcutsBuilder static var appShortcuts: [AppShortcut] { get }
}

/// developer.apple.com/documentation/appintents/appshortcutsbuilder
@available(iOS 16, macOS 13, *)
@resultBuilder public struct AppShortcutsBuilder {
  /// developer.apple.com/documentation/appintents/appshortcutsbuilder/buildblock(_:)
  public static func buildBlock(_ components: AppShortcut...) -> [AppShortcut] { standIn() }
}
