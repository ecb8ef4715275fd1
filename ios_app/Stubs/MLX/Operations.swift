import Foundation

/// `MLXFast.swift`
public enum MLXFast {
  /// `MLXFast.swift`
  public static func RoPE(
    _ array: MLXArray, dimensions: Int, traditional: Bool, base: Float?, scale: Float,
    offset: Int,
    freqs: MLXArray? = nil, stream: StreamOrDevice = .default
  ) -> MLXArray { trap() }

  /// `MLXFast.swift`
  public static func rmsNorm(
    _ x: MLXArray, weight: MLXArray, eps: Float, stream: StreamOrDevice = .default
  ) -> MLXArray { trap() }

  /// `MLXFast.swift`
  public static func layerNorm(
    _ x: MLXArray, weight: MLXArray? = nil, bias: MLXArray? = nil, eps: Float,
    stream: StreamOrDevice = .default
  ) -> MLXArray { trap() }

  /// `MLXFast.swift`
  public enum ScaledDotProductAttentionMaskMode {
    case none
    case array(MLXArray)

    @available(*, deprecated, message: "Use .array instead")
    case arrays([MLXArray])
    case causal
  }

  /// `MLXFast.swift`
  public static func scaledDotProductAttention(
    queries: MLXArray, keys: MLXArray, values: MLXArray, scale: Float,
    mask: ScaledDotProductAttentionMaskMode,
    sinks: MLXArray? = nil,
    stream: StreamOrDevice = .default
  ) -> MLXArray { trap() }

  /// `MLXFast.swift`
  public static func scaledDotProductAttention(
    queries: MLXArray, keys: MLXArray, values: MLXArray, scale: Float, mask: MLXArray?,
    sinks: MLXArray? = nil,
    memoryEfficientThreshold: Int? = nil, stream: StreamOrDevice = .default
  ) -> MLXArray { trap() }
}

/// `Ops.swift`
public enum QuantizationMode: String, Codable, Sendable {
  case affine
  case mxfp4
  case mxfp8
  case nvfp4
}

/// `Ops.swift`
public func addMM(
  _ c: some ScalarOrArray, _ a: some ScalarOrArray, _ b: some ScalarOrArray, alpha: Float = 1.0,
  beta: Float = 1.0, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops+Array.swift`
public func matmul(_ a: MLXArray, _ b: MLXArray, stream: StreamOrDevice = .default) -> MLXArray {
  trap()
}

/// `Ops.swift`
public func quantizedMM(
  _ x: MLXArray, _ w: MLXArray, scales: MLXArray, biases: MLXArray?,
  transpose: Bool = true,
  groupSize: Int? = nil, bits: Int? = nil,
  mode: QuantizationMode = .affine,
  stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func dequantized(
  _ w: MLXArray,
  scales: MLXArray, biases: MLXArray?,
  groupSize: Int? = nil, bits: Int? = nil, mode: QuantizationMode = .affine,
  globalScale: MLXArray? = nil,
  dtype: DType? = nil,
  stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func concatenated(
  _ arrays: some Collection<MLXArray>, axis: Int = 0, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func stacked(
  _ arrays: some Collection<MLXArray>, axis: Int = 0, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `ParameterTypes.swift`
public struct IntOrPair: ExpressibleByIntegerLiteral, Sendable {
  /// `ParameterTypes.swift`
  public init(integerLiteral value: Int) { trap() }

  /// `ParameterTypes.swift`
  public init(_ value: Int) { trap() }
}

/// `ParameterTypes.swift`
public struct IntOrArray: ExpressibleByIntegerLiteral, Sendable {
  /// `ParameterTypes.swift`
  public init(integerLiteral value: Int) { trap() }

  /// `ParameterTypes.swift`
  public init(_ values: [Int]) { trap() }
}

/// `Ops.swift`
public func convGeneral(
  _ array: MLXArray, _ weight: MLXArray, strides: IntOrArray = 1, padding: IntOrArray = 0,
  kernelDilation: IntOrArray = 1, inputDilation: IntOrArray = 1, groups: Int = 1,
  flip: Bool = false, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func contiguous(
  _ a: MLXArray, allowColMajor: Bool = false, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func conv1d(
  _ array: MLXArray, _ weight: MLXArray, stride: Int = 1, padding: Int = 0, dilation: Int = 1,
  groups: Int = 1, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func conv2d(
  _ array: MLXArray, _ weight: MLXArray, stride: IntOrPair = 1, padding: IntOrPair = 0,
  dilation: IntOrPair = 1, groups: Int = 1, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func softmax(
  _ array: MLXArray, axis: Int, precise: Bool = false, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops+Array.swift`
public func split(
  _ array: MLXArray, parts: Int, axis: Int = 0, stream: StreamOrDevice = .default
) -> [MLXArray] { trap() }

/// `Ops+Array.swift`
public func split(
  _ array: MLXArray, axis: Int = 0, stream: StreamOrDevice = .default
) -> (MLXArray, MLXArray) { trap() }

/// `Factory.swift`
public func repeated(
  _ array: MLXArray, count: Int, axis: Int, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func maximum(
  _ a: some ScalarOrArray, _ b: some ScalarOrArray, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func minimum(
  _ a: some ScalarOrArray, _ b: some ScalarOrArray, stream: StreamOrDevice = .default
) -> MLXArray { trap() }

/// `Ops.swift`
public func sigmoid(_ array: MLXArray, stream: StreamOrDevice = .default) -> MLXArray { trap() }

/// `Ops.swift`
public func tanh(_ array: MLXArray, stream: StreamOrDevice = .default) -> MLXArray { trap() }

/// `Ops+Array.swift`
public func exp(_ array: MLXArray, stream: StreamOrDevice = .default) -> MLXArray { trap() }

/// `Ops+Array.swift`
public func sin(_ array: MLXArray, stream: StreamOrDevice = .default) -> MLXArray { trap() }

/// `Ops+Array.swift`
public func cos(_ array: MLXArray, stream: StreamOrDevice = .default) -> MLXArray { trap() }

/// `Ops.swift`
public func erf(_ array: MLXArray, stream: StreamOrDevice = .default) -> MLXArray { trap() }

/// `Ops.swift`
public func isFinite(_ array: MLXArray, stream: StreamOrDevice = .default) -> MLXArray { trap() }

/// `Transforms+Eval.swift`
public func eval(_ arrays: MLXArray...) { trap() }

/// `Transforms+Eval.swift`
public func eval(_ arrays: some Collection<MLXArray>) { trap() }

/// `Transforms+Eval.swift`
public func asyncEval(_ arrays: some Collection<MLXArray>) { trap() }

/// `IO.swift`
public func loadArrays(url: URL, stream: StreamOrDevice = .cpu) throws -> [String: MLXArray] {
  trap()
}

/// `Memory.swift`
public enum Memory {
  /// `Memory.swift`
  public static var cacheLimit: Int {
    get { trap() }
    set { trap() }
  }

  /// `Memory.swift`
  public static func clearCache() { trap() }
}

/// `ErrorHandler.swift`
public enum MLXError: LocalizedError, Sendable, Equatable {
  case caught(String)
}

/// `ErrorHandler.swift`
public final class ErrorBox: @unchecked Sendable {
  /// `ErrorHandler.swift`
  public func check() throws { trap() }
}

/// `ErrorHandler.swift`
public func withError<R>(_ body: (ErrorBox) throws -> R) throws -> R { trap() }

/// `ErrorHandler.swift`
public func withError<R>(_ body: () throws -> R) throws -> R { trap() }
