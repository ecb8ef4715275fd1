import Foundation

/// developer.apple.com/documentation/coreml/mltensorscalar
@available(macOS 15, iOS 18, *)
public protocol MLTensorScalar: Sendable {}
extension Float: MLTensorScalar {}
extension Int32: MLTensorScalar {}

/// developer.apple.com/documentation/coreml/mlshapedarrayscalar
@available(macOS 12, iOS 15, *)
public protocol MLShapedArrayScalar {
  /// developer.apple.com/documentation/coreml/mlshapedarrayscalar/multiarraydatatype
  static var multiArrayDataType: MLMultiArrayDataType { get }
}

extension Float: MLShapedArrayScalar {
  /// developer.apple.com/documentation/coreml/mlshapedarrayscalar/multiarraydatatype
  public static var multiArrayDataType: MLMultiArrayDataType { standIn() }
}

extension Int32: MLShapedArrayScalar {
  /// developer.apple.com/documentation/coreml/mlshapedarrayscalar/multiarraydatatype
  public static var multiArrayDataType: MLMultiArrayDataType { standIn() }
}

/// developer.apple.com/documentation/coreml/mltensor
@available(macOS 15, iOS 18, *)
public struct MLTensor: Sendable {
  /// developer.apple.com/documentation/coreml/mltensor/init(shape:data:scalartype:)
  public init(shape: [Int], data: Data, scalarType: any MLTensorScalar.Type) { standIn() }
  /// developer.apple.com/documentation/coreml/mltensor/shape
  public var shape: [Int] { standIn() }
  /// developer.apple.com/documentation/coreml/mltensor/scalartype
  public var scalarType: any MLTensorScalar.Type { standIn() }
  /// developer.apple.com/documentation/coreml/mltensor/shapedarray(of:)
  public func shapedArray<Scalar>(of scalarType: Scalar.Type) async -> MLShapedArray<Scalar>
  where Scalar: MLShapedArrayScalar, Scalar: MLTensorScalar { standIn() }
}

/// developer.apple.com/documentation/coreml/mlshapedarray
@available(macOS 12, iOS 15, *)
public struct MLShapedArray<Scalar: MLShapedArrayScalar>: @unchecked Sendable {
  /// developer.apple.com/documentation/coreml/mlshapedarray/withunsafeshapedbufferpointer(_:)
  public func withUnsafeShapedBufferPointer<R>(
    _ body: (_ ptr: UnsafeBufferPointer<Scalar>, _ shape: [Int], _ strides: [Int]) throws -> R
  ) rethrows -> R { standIn() }
}
