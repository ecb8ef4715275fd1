// Stand-in for MLX on Linux: the signatures of mlx-swift that the engine uses; bodies trap.
// Each follows the file that it names, below `Source/MLX` of github.com/ml-explore/mlx-swift.

/// `MLXArray.swift`, `MLXArray+Init.swift`
public final class MLXArray {
  /// `MLXArray+Init.swift`
  public convenience init<T: HasDType>(
    _ value: [T], _ shape: (some Collection<Int>)? = [Int]?.none
  ) { trap() }

  /// `MLXArray+Init.swift`
  public convenience init(_ value: Float) { trap() }

  /// `MLXArray.swift`
  public var dtype: DType { trap() }

  /// `MLXArray.swift`
  public var shape: [Int] { trap() }

  /// `MLXArray.swift`
  public func dim(_ dim: Int) -> Int { trap() }

  /// `MLXArray.swift`
  public func asType(_ type: DType, stream: StreamOrDevice = .default) -> MLXArray { trap() }

  /// `MLXArray+Bytes.swift`
  public func asArray<T: HasDType>(_ type: T.Type) -> [T] { trap() }

  /// `MLXArray+Ops.swift`
  public func reshaped(_ newShape: some Collection<Int>, stream: StreamOrDevice = .default)
    -> MLXArray
  { trap() }

  /// `MLXArray+Ops.swift`
  public func reshaped(_ newShape: Int..., stream: StreamOrDevice = .default) -> MLXArray { trap() }

  /// `MLXArray+Ops.swift`
  public func transposed(_ axes: Int..., stream: StreamOrDevice = .default) -> MLXArray { trap() }

  /// `MLXArray+Ops.swift`
  public var T: MLXArray { trap() }

  /// `MLXArray+Ops.swift`
  public func all(keepDims: Bool = false, stream: StreamOrDevice = .default) -> MLXArray { trap() }

  /// `MLXArray+Ops.swift`
  public func sum(axis: Int, keepDims: Bool = false, stream: StreamOrDevice = .default)
    -> MLXArray
  { trap() }

  /// `MLXArray+Ops.swift`
  public func mean(axis: Int, keepDims: Bool = false, stream: StreamOrDevice = .default)
    -> MLXArray
  { trap() }

  /// `MLXArray+Ops.swift`
  public func mean(
    axes: some Collection<Int>, keepDims: Bool = false, stream: StreamOrDevice = .default
  ) -> MLXArray { trap() }

  /// `MLXArray+Ops.swift`
  public static func + (lhs: MLXArray, rhs: MLXArray) -> MLXArray { trap() }

  /// `MLXArray+Ops.swift`
  public static func - (lhs: MLXArray, rhs: MLXArray) -> MLXArray { trap() }

  /// `MLXArray+Ops.swift`
  public static func * (lhs: MLXArray, rhs: MLXArray) -> MLXArray { trap() }

  /// `MLXArray+Ops.swift`
  public static func / (lhs: MLXArray, rhs: MLXArray) -> MLXArray { trap() }

  /// `MLXArray+Indexing.swift`
  public subscript(indices: any MLXArrayIndex..., stream stream: StreamOrDevice = .default)
    -> MLXArray
  {
    get { trap() }
    set { trap() }
  }

  /// `Factory.swift`
  static public func ones(
    _ shape: some Collection<Int>, dtype: DType, stream: StreamOrDevice = .default
  ) -> MLXArray { trap() }

  /// `Factory.swift`
  static public func zeros(
    _ shape: some Collection<Int>, dtype: DType, stream: StreamOrDevice = .default
  ) -> MLXArray { trap() }
}

/// `MLXArray+Indexing.swift`
public protocol MLXArrayIndex {}

extension Int: MLXArrayIndex {}
extension MLXArray: MLXArrayIndex {}
extension Range<Int>: MLXArrayIndex {}
extension PartialRangeFrom<Int>: MLXArrayIndex {}
extension PartialRangeUpTo<Int>: MLXArrayIndex {}

/// `DType.swift`
public enum DType: Hashable, Sendable, CaseIterable {
  case bool
  case uint8
  case uint16
  case uint32
  case uint64
  case int8
  case int16
  case int32
  case int64
  case float16
  case float32
  case bfloat16
  case complex64
  case float64
}

/// `DType.swift`
public protocol ScalarOrArray {
  /// `DType.swift`
  func asMLXArray(dtype: DType?) -> MLXArray
}

/// `DType.swift`
public protocol HasDType: ScalarOrArray {
  /// `DType.swift`
  static var dtype: DType { get }
}

extension HasDType {
  /// `DType.swift`
  public func asMLXArray(dtype: DType?) -> MLXArray { trap() }
}

extension Bool: HasDType {
  /// `DType.swift`
  static public var dtype: DType { trap() }
}

extension Int32: HasDType {
  /// `DType.swift`
  static public var dtype: DType { trap() }
}

extension Float32: HasDType {
  /// `DType.swift`
  static public var dtype: DType { trap() }
}

extension MLXArray: ScalarOrArray {
  /// `DType.swift`
  public func asMLXArray(dtype: DType?) -> MLXArray { trap() }
}

/// `Device.swift`
public enum DeviceType: String, Hashable, Sendable {
  case cpu
  case gpu
}

/// `Device.swift`
public final class Device: @unchecked Sendable, Equatable {
  /// `Device.swift`
  public var deviceType: DeviceType? { trap() }

  /// `Device.swift`
  static public func defaultDevice() -> Device { trap() }

  /// `Device.swift`
  public static func == (lhs: Device, rhs: Device) -> Bool { trap() }
}

/// `Stream.swift`
public struct StreamOrDevice: Sendable, Equatable {
  /// `Stream.swift`
  public static var `default`: StreamOrDevice { trap() }

  /// `Stream.swift`
  public static var cpu: StreamOrDevice { trap() }
}

func trap() -> Never { fatalError("this is a stand-in for MLX; it computes nothing") }
