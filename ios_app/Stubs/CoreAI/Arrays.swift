import Foundation

/// developer.apple.com/documentation/coreai/ndarray
///
/// Owns its numbers; its views do not, and cannot be kept.
@available(macOS 27, iOS 27, *)
public struct NDArray: Sendable {
  /// developer.apple.com/documentation/coreai/ndarray/init(scalars:shape:)
  public init<Scalar>(scalars: some Sequence<Scalar>, shape: [Int]) where Scalar: BitwiseCopyable {
    standIn()
  }
  /// developer.apple.com/documentation/coreai/ndarray/shape
  public var shape: [Int] { standIn() }
  /// developer.apple.com/documentation/coreai/ndarray/scalartype-swift.property
  public var scalarType: ScalarType { standIn() }
  /// developer.apple.com/documentation/coreai/ndarray/view(as:)
  @_lifetime(borrow self)
  public func view<T>(as type: T.Type = T.self) -> View<T> where T: BitwiseCopyable { standIn() }

  /// developer.apple.com/documentation/coreai/ndarray/scalartype-swift.enum
  public enum ScalarType: Equatable, Sendable {
    case float16
    case float32
    case int32
  }

  /// developer.apple.com/documentation/coreai/ndarray/interleavelayout-swift.struct
  public struct InterleaveLayout: Equatable, Sendable {}

  /// developer.apple.com/documentation/coreai/ndarray/view
  public struct View<Element: BitwiseCopyable>: ~Escapable {
    @_lifetime(immortal)
    init() { standIn() }
    /// developer.apple.com/documentation/coreai/ndarray/view/interleavelayout
    public var interleaveLayout: InterleaveLayout? { standIn() }
    /// developer.apple.com/documentation/coreai/ndarray/view/withunsafepointer(_:)
    public func withUnsafePointer<R, E: Error>(
      _ body: (UnsafePointer<Element>, Span<Int>, Span<Int>) throws(E) -> R
    ) throws(E) -> R { standIn() }
  }
}

/// developer.apple.com/documentation/coreai/ndarraydescriptor
@available(macOS 27, iOS 27, *)
public struct NDArrayDescriptor: Equatable, Sendable {
  /// developer.apple.com/documentation/coreai/ndarraydescriptor/shape
  ///
  /// -1 where a size varies.
  public var shape: [Int] { standIn() }
  /// developer.apple.com/documentation/coreai/ndarraydescriptor/scalartype
  public var scalarType: NDArray.ScalarType { standIn() }
}
