import MLX

/// torch's `LayerNorm` over the last axis; its statistics are float32.
struct LayerNorm {
  let weight: MLXArray?
  let bias: MLXArray?
  let epsilon: Float

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    MLXFast.layerNorm(x, weight: weight, bias: bias, eps: epsilon)
  }
}

/// Attention without a softmax, whose cost grows with the tokens and not with their square: its sums and
/// its division in float32, which half precision does not hold.
///
/// - Parameter queries, keys, values: [B, heads, N, D].
/// - Returns: [B, heads, N, D] float32.
func linearAttention(_ queries: MLXArray, _ keys: MLXArray, _ values: MLXArray) -> MLXArray {
  let (queries, keys) = (relu(queries.asType(.float32)), relu(keys.asType(.float32)))
  let sums = matmul(keys.transposed(0, 1, 3, 2), values.asType(.float32))
  let total = matmul(queries, keys.sum(axis: 2, keepDims: true).transposed(0, 1, 3, 2))
  return matmul(queries, sums) / (total + MLXArray(Float(1e-15)))
}

/// A number as an array of the type of `x`: mlx-swift makes no scalars of float16 on x86.
func scalar(_ value: Float, like x: MLXArray) -> MLXArray { MLXArray(value).asType(x.dtype) }

func relu(_ x: MLXArray) -> MLXArray { maximum(x, scalar(0, like: x)) }

/// As `mlx.nn` has it.
func gelu(_ x: MLXArray) -> MLXArray {
  x * (scalar(1, like: x) + erf(x / scalar(Float(2).squareRoot(), like: x))) / scalar(2, like: x)
}

/// The same in float32: in half precision 1 + erf would leave nothing of a value below -3.
func wideGELU(_ x: MLXArray) -> MLXArray { gelu(x.asType(.float32)).asType(x.dtype) }

/// The approximation that SANA was trained with.
func tanhGELU(_ x: MLXArray) -> MLXArray {
  let cube = x + scalar(0.044715, like: x) * x * x * x
  let inner = tanh(scalar((2 / Float.pi).squareRoot(), like: x) * cube)
  return scalar(0.5, like: x) * x * (scalar(1, like: x) + inner)
}

/// torch's `Hardsigmoid`.
func hardSigmoid(_ x: MLXArray) -> MLXArray {
  minimum(
    maximum(x / scalar(6, like: x) + scalar(0.5, like: x), scalar(0, like: x)), scalar(1, like: x))
}

/// torch's `Hardswish`.
func hardSwish(_ x: MLXArray) -> MLXArray {
  let six = scalar(6, like: x)
  return x * minimum(maximum(x + scalar(3, like: x), scalar(0, like: x)), six) / six
}

extension Weights {
  /// The norm `name`, with scale and shift.
  mutating func layerNorm(_ name: String) throws -> LayerNorm {
    try LayerNorm(weight: take(name + ".weight"), bias: take(name + ".bias"), epsilon: 1e-5)
  }
}
