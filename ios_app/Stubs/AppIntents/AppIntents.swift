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
  public static var description: IntentDescription? { standIn() }
  public static var openAppWhenRun: Bool { standIn() }
}

/// developer.apple.com/documentation/appintents/intentdescription
@available(iOS 16, macOS 13, *)
public struct IntentDescription: Sendable, ExpressibleByStringLiteral {
  public init(stringLiteral value: String) { standIn() }
}

/// developer.apple.com/documentation/appintents/intentresult
@available(iOS 16, macOS 13, *)
public protocol IntentResult: Sendable {}
/// developer.apple.com/documentation/appintents/intentresult/result()
@available(iOS 16, macOS 13, *)
extension IntentResult where Self == StandInResult {
  public static func result() -> some IntentResult { standIn() as StandInResult }
}
/// What a result of nothing is here.
@available(iOS 16, macOS 13, *)
public struct StandInResult: IntentResult {}

/// developer.apple.com/documentation/appintents/intentparameter
@available(iOS 16, macOS 13, *)
@propertyWrapper public final class IntentParameter<Value: Sendable>: @unchecked Sendable {
  public init(title: LocalizedStringResource) { standIn() }
  public init(title: LocalizedStringResource, supportedContentTypes: [UTType]) { standIn() }
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
  public var data: Data { standIn() }
  public var filename: String { standIn() }
}

/// developer.apple.com/documentation/appintents/appshortcut
@available(iOS 16, macOS 13, *)
public struct AppShortcut: Sendable {
  public init<Intent: AppIntent>(
    intent: Intent, phrases: [AppShortcutPhrase<Intent>], shortTitle: LocalizedStringResource,
    systemImageName: String
  ) { standIn() }
}

/// developer.apple.com/documentation/appintents/appshortcutphrase
@available(iOS 16, macOS 13, *)
public struct AppShortcutPhrase<Intent: AppIntent>: Sendable, ExpressibleByStringInterpolation {
  public init(stringLiteral value: String) { standIn() }
  public init(stringInterpolation: StringInterpolation) { standIn() }
  /// developer.apple.com/documentation/appintents/appshortcutphrase/stringinterpolation
  public struct StringInterpolation: StringInterpolationProtocol {
    public init(literalCapacity: Int, interpolationCount: Int) { standIn() }
    public mutating func appendLiteral(_ literal: String) { standIn() }
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
  public static func buildBlock(_ components: AppShortcut...) -> [AppShortcut] { standIn() }
}
