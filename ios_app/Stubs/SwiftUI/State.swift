// Stand-in for SwiftUI on Linux: what views keep and are given.
@_exported import FoundationMembers
import Observation

/// developer.apple.com/documentation/swiftui/dynamicproperty
public protocol DynamicProperty {}

/// developer.apple.com/documentation/swiftui/state
@propertyWrapper public struct State<Value>: DynamicProperty {
  public init(wrappedValue value: Value) { standIn() }
  public init(initialValue value: Value) { standIn() }
  public var wrappedValue: Value {
    get { standIn() }
    nonmutating set { standIn() }
  }
  public var projectedValue: Binding<Value> { standIn() }
}
extension State: Sendable where Value: Sendable {}
extension State where Value: ExpressibleByNilLiteral {
  public init() { standIn() }
}

/// developer.apple.com/documentation/swiftui/binding
@propertyWrapper @dynamicMemberLookup public struct Binding<Value>: DynamicProperty {
  @preconcurrency public init(
    get: @escaping @isolated(any) @Sendable () -> Value,
    set: @escaping @isolated(any) @Sendable (Value) -> Void
  ) { standIn() }
  public static func constant(_ value: Value) -> Binding<Value> { standIn() }
  public var wrappedValue: Value {
    get { standIn() }
    nonmutating set { standIn() }
  }
  public var projectedValue: Binding<Value> { standIn() }
  public subscript<Subject>(
    dynamicMember keyPath: WritableKeyPath<Value, Subject>
  ) -> Binding<Subject> { standIn() }
}
extension Binding: @unchecked Sendable where Value: Sendable {}

/// developer.apple.com/documentation/swiftui/bindable
@available(iOS 17, macOS 14, *)
@propertyWrapper @dynamicMemberLookup public struct Bindable<Value> {
  public var wrappedValue: Value
  public var projectedValue: Bindable<Value> { standIn() }
  @available(*, unavailable, message: "the wrapped value is to be an Observable object")
  public init(wrappedValue: Value) { standIn() }
}
@available(iOS 17, macOS 14, *)
extension Bindable where Value: AnyObject {
  public subscript<Subject>(
    dynamicMember keyPath: ReferenceWritableKeyPath<Value, Subject>
  ) -> Binding<Subject> { standIn() }
}
@available(iOS 17, macOS 14, *)
extension Bindable where Value: AnyObject, Value: Observable {
  public init(wrappedValue: Value) { standIn() }
  public init(_ wrappedValue: Value) { standIn() }
}
@available(iOS 17, macOS 14, *)
extension Bindable: @unchecked Sendable where Value: Sendable {}

/// developer.apple.com/documentation/swiftui/focusstate
@available(iOS 15, macOS 12, *)
@propertyWrapper public struct FocusState<Value: Hashable>: DynamicProperty {
  /// developer.apple.com/documentation/swiftui/focusstate/binding
  @propertyWrapper public struct Binding {
    init(_: Never) {}
    public var wrappedValue: Value {
      get { standIn() }
      nonmutating set { standIn() }
    }
    public var projectedValue: FocusState<Value>.Binding { standIn() }
  }
  public init() where Value == Bool { standIn() }
  public var wrappedValue: Value {
    get { standIn() }
    nonmutating set { standIn() }
  }
  public var projectedValue: FocusState<Value>.Binding { standIn() }
}

/// developer.apple.com/documentation/swiftui/environment
@propertyWrapper public struct Environment<Value>: DynamicProperty {
  public init(_ keyPath: KeyPath<EnvironmentValues, Value>) { standIn() }
  @available(iOS 17, macOS 14, *)
  public init(_ objectType: Value.Type) where Value: AnyObject, Value: Observable { standIn() }
  public var wrappedValue: Value { standIn() }
}
extension Environment: Sendable where Value: Sendable {}

/// developer.apple.com/documentation/swiftui/environmentvalues
public struct EnvironmentValues {
  public var scenePhase: ScenePhase {
    get { standIn() }
    set { standIn() }
  }
  public var accessibilityReduceMotion: Bool { standIn() }
  public var horizontalSizeClass: UserInterfaceSizeClass? {
    get { standIn() }
    set { standIn() }
  }
  public var dynamicTypeSize: DynamicTypeSize {
    get { standIn() }
    set { standIn() }
  }
  public var dismiss: DismissAction { standIn() }
  public var openURL: OpenURLAction {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/swiftui/scenephase
public enum ScenePhase: Comparable, Hashable, Sendable { case background, inactive, active }

/// developer.apple.com/documentation/swiftui/userinterfacesizeclass
public enum UserInterfaceSizeClass: Sendable { case compact, regular }

/// developer.apple.com/documentation/swiftui/dynamictypesize
public enum DynamicTypeSize: Comparable, Hashable, CaseIterable, Sendable {
  case xSmall, small, medium, large, xLarge, xxLarge, xxxLarge
  case accessibility1, accessibility2, accessibility3, accessibility4, accessibility5
  public var isAccessibilitySize: Bool { standIn() }
}

/// developer.apple.com/documentation/swiftui/dismissaction
@MainActor @preconcurrency public struct DismissAction {
  public func callAsFunction() { standIn() }
}

/// developer.apple.com/documentation/swiftui/openurlaction
@MainActor @preconcurrency public struct OpenURLAction {
  public func callAsFunction(_ url: URL) { standIn() }
}

/// developer.apple.com/documentation/swiftui/focusedvalues
public struct FocusedValues {
  public subscript<Key: FocusedValueKey>(key: Key.Type) -> Key.Value? {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/swiftui/focusedvaluekey
public protocol FocusedValueKey {
  associatedtype Value
}

/// developer.apple.com/documentation/swiftui/focusedvalue
@propertyWrapper public struct FocusedValue<Value>: DynamicProperty {
  public init(_ keyPath: KeyPath<FocusedValues, Value?>) { standIn() }
  @available(iOS 17, macOS 14, *)
  public init(_ objectType: Value.Type) where Value: AnyObject, Value: Observable { standIn() }
  public var wrappedValue: Value? { standIn() }
}

/// developer.apple.com/documentation/swiftui/withanimation(_:_:)
public func withAnimation<Result>(
  _ animation: Animation? = .default, _ body: () throws -> Result
) rethrows -> Result { standIn() }
