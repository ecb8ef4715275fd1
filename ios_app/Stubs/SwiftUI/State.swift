// Stand-in for SwiftUI on Linux: what views keep and are given.
@_exported import FoundationMembers
import Observation

/// developer.apple.com/documentation/swiftui/dynamicproperty
public protocol DynamicProperty {}

/// developer.apple.com/documentation/swiftui/state
@propertyWrapper public struct State<Value>: DynamicProperty {
  /// developer.apple.com/documentation/swiftui/state/init(wrappedvalue:)
  public init(wrappedValue value: Value) { standIn() }
  /// developer.apple.com/documentation/swiftui/state/init(initialvalue:)
  public init(initialValue value: Value) { standIn() }
  /// developer.apple.com/documentation/swiftui/state/wrappedvalue
  public var wrappedValue: Value {
    get { standIn() }
    nonmutating set { standIn() }
  }
  /// developer.apple.com/documentation/swiftui/state/projectedvalue
  public var projectedValue: Binding<Value> { standIn() }
}
extension State: Sendable where Value: Sendable {}
extension State where Value: ExpressibleByNilLiteral {
  /// developer.apple.com/documentation/swiftui/state/init()
  public init() { standIn() }
}

/// developer.apple.com/documentation/swiftui/binding
@propertyWrapper @dynamicMemberLookup public struct Binding<Value>: DynamicProperty {
  /// developer.apple.com/documentation/swiftui/binding/init(get:set:)
  @preconcurrency public init(
    get: @escaping @isolated(any) @Sendable () -> Value,
    set: @escaping @isolated(any) @Sendable (Value) -> Void
  ) { standIn() }
  /// developer.apple.com/documentation/swiftui/binding/constant(_:)
  public static func constant(_ value: Value) -> Binding<Value> { standIn() }
  /// developer.apple.com/documentation/swiftui/binding/wrappedvalue
  public var wrappedValue: Value {
    get { standIn() }
    nonmutating set { standIn() }
  }
  /// developer.apple.com/documentation/swiftui/binding/projectedvalue
  public var projectedValue: Binding<Value> { standIn() }
  /// developer.apple.com/documentation/swiftui/binding/subscript(dynamicmember:)
  public subscript<Subject>(
    dynamicMember keyPath: WritableKeyPath<Value, Subject>
  ) -> Binding<Subject> { standIn() }
}
extension Binding: @unchecked Sendable where Value: Sendable {}

/// developer.apple.com/documentation/swiftui/bindable
@available(iOS 17, macOS 14, *)
@propertyWrapper @dynamicMemberLookup public struct Bindable<Value> {
  /// developer.apple.com/documentation/swiftui/bindable/wrappedvalue
  public var wrappedValue: Value
  /// developer.apple.com/documentation/swiftui/bindable/projectedvalue
  public var projectedValue: Bindable<Value> { standIn() }
  /// developer.apple.com/documentation/swiftui/bindable/init(wrappedvalue:)
  @available(*, unavailable, message: "the wrapped value is to be an Observable object")
  public init(wrappedValue: Value) { standIn() }
}
@available(iOS 17, macOS 14, *)
extension Bindable where Value: AnyObject {
  /// developer.apple.com/documentation/swiftui/bindable/subscript(dynamicmember:)
  public subscript<Subject>(
    dynamicMember keyPath: ReferenceWritableKeyPath<Value, Subject>
  ) -> Binding<Subject> { standIn() }
}
@available(iOS 17, macOS 14, *)
extension Bindable where Value: AnyObject, Value: Observable {
  /// developer.apple.com/documentation/swiftui/bindable/init(wrappedvalue:)
  public init(wrappedValue: Value) { standIn() }
  /// developer.apple.com/documentation/swiftui/bindable/init(_:)
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
    /// developer.apple.com/documentation/swiftui/focusstate/binding/wrappedvalue
    public var wrappedValue: Value {
      get { standIn() }
      nonmutating set { standIn() }
    }
    /// developer.apple.com/documentation/swiftui/focusstate/binding/projectedvalue
    public var projectedValue: FocusState<Value>.Binding { standIn() }
  }
  /// developer.apple.com/documentation/swiftui/focusstate/init()
  public init() where Value == Bool { standIn() }
  /// developer.apple.com/documentation/swiftui/focusstate/wrappedvalue
  public var wrappedValue: Value {
    get { standIn() }
    nonmutating set { standIn() }
  }
  /// developer.apple.com/documentation/swiftui/focusstate/projectedvalue
  public var projectedValue: FocusState<Value>.Binding { standIn() }
}

/// developer.apple.com/documentation/swiftui/environment
@propertyWrapper public struct Environment<Value>: DynamicProperty {
  /// developer.apple.com/documentation/swiftui/environment/init(_:)
  public init(_ keyPath: KeyPath<EnvironmentValues, Value>) { standIn() }
  /// developer.apple.com/documentation/swiftui/environment/init(_:)
  @available(iOS 17, macOS 14, *)
  public init(_ objectType: Value.Type) where Value: AnyObject, Value: Observable { standIn() }
  /// developer.apple.com/documentation/swiftui/environment/wrappedvalue
  public var wrappedValue: Value { standIn() }
}
extension Environment: Sendable where Value: Sendable {}

/// developer.apple.com/documentation/swiftui/environmentvalues
public struct EnvironmentValues {
  /// developer.apple.com/documentation/swiftui/environmentvalues/scenephase
  public var scenePhase: ScenePhase {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/swiftui/environmentvalues/accessibilityreducemotion
  public var accessibilityReduceMotion: Bool { standIn() }
  /// developer.apple.com/documentation/swiftui/environmentvalues/horizontalsizeclass
  public var horizontalSizeClass: UserInterfaceSizeClass? {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/swiftui/environmentvalues/dynamictypesize
  public var dynamicTypeSize: DynamicTypeSize {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/swiftui/environmentvalues/dismiss
  public var dismiss: DismissAction { standIn() }
  /// developer.apple.com/documentation/swiftui/environmentvalues/openurl
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
  /// developer.apple.com/documentation/swiftui/dynamictypesize/isaccessibilitysize
  public var isAccessibilitySize: Bool { standIn() }
}

/// developer.apple.com/documentation/swiftui/dismissaction
@MainActor @preconcurrency public struct DismissAction {
  /// developer.apple.com/documentation/swiftui/dismissaction/callasfunction()
  public func callAsFunction() { standIn() }
}

/// developer.apple.com/documentation/swiftui/openurlaction
@MainActor @preconcurrency public struct OpenURLAction {
  /// developer.apple.com/documentation/swiftui/openurlaction/callasfunction(_:)
  public func callAsFunction(_ url: URL) { standIn() }
}

/// developer.apple.com/documentation/swiftui/focusedvalues
public struct FocusedValues {
  /// developer.apple.com/documentation/swiftui/focusedvalues/subscript(key:)
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
  /// developer.apple.com/documentation/swiftui/focusedvalue/init(_:)
  public init(_ keyPath: KeyPath<FocusedValues, Value?>) { standIn() }
  /// developer.apple.com/documentation/swiftui/focusedvalue/init(_:)
  @available(iOS 17, macOS 14, *)
  public init(_ objectType: Value.Type) where Value: AnyObject, Value: Observable { standIn() }
  /// developer.apple.com/documentation/swiftui/focusedvalue/wrappedvalue
  public var wrappedValue: Value? { standIn() }
}

/// developer.apple.com/documentation/swiftui/withanimation(_:_:)
public func withAnimation<Result>(
  _ animation: Animation? = .default, _ body: () throws -> Result
) rethrows -> Result { standIn() }
