import MLX
import MLXNN

/// A convolution over [B, H, W, C]; zeros lie around, so that a stride of 1 keeps the sides.
struct Convolution {
  let weight: MLXArray
  let bias: MLXArray?
  let stride: Int
  let groups: Int

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let result = conv2d(
      x, weight, stride: IntOrPair(stride), padding: IntOrPair(weight.dim(1) / 2), groups: groups)
    return bias.map { result + $0 } ?? result
  }
}

/// torch's `LayerNorm` over the last axis.
struct LayerNorm {
  let weight: MLXArray?
  let bias: MLXArray?
  let epsilon: Float

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    MLXFast.layerNorm(x, weight: weight, bias: bias, eps: epsilon)
  }
}

/// diffusers' `RMSNorm` over the last axis, which has a shift in the decoder.
struct RMSNorm {
  let weight: MLXArray
  let bias: MLXArray?
  let epsilon: Float

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let result = MLXFast.rmsNorm(x, weight: weight, eps: epsilon)
    return bias.map { result + $0 } ?? result
  }
}

/// SANA's feed-forward: up, over neighbours, half of it a gate of the other, down.
struct GatedConvolution {
  let inverted: Matrix
  let depth: Convolution
  let point: Matrix

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let (values, gate) = split(depth(silu(inverted(x))), axis: -1)
    return point(values * silu(gate))
  }
}

/// Attention without a softmax: ReLU of queries and keys, its sums in float32, which half precision does
/// not hold.
///
/// - Parameter queries, keys, values: [B, heads, N, D].
/// - Returns: [B, heads, N, D] float32.
func linearAttention(_ queries: MLXArray, _ keys: MLXArray, _ values: MLXArray) -> MLXArray {
  let wide = values.asType(.float32)
  let width = wide.dim(3)
  let ones = MLXArray.ones([wide.dim(0), wide.dim(1), wide.dim(2), 1], dtype: .float32)
  let sums = matmul(
    relu(keys).asType(.float32).transposed(0, 1, 3, 2), concatenated([wide, ones], axis: -1))
  let mixed = matmul(relu(queries).asType(.float32), sums)
  return mixed[0..., 0..., 0..., ..<width] / (mixed[0..., 0..., 0..., width...] + MLXArray(1e-15))
}

/// A number as an array of the type of `x`: mlx-swift makes no scalars of float16 on x86.
func scalar(_ value: Float, like x: MLXArray) -> MLXArray { MLXArray(value).asType(x.dtype) }

func relu(_ x: MLXArray) -> MLXArray { maximum(x, scalar(0, like: x)) }

/// As `mlx.nn` has it.
func gelu(_ x: MLXArray) -> MLXArray {
  x * (scalar(1, like: x) + erf(x / scalar(Float(2).squareRoot(), like: x))) / scalar(2, like: x)
}

/// The approximation that SANA was trained with.
func tanhGELU(_ x: MLXArray) -> MLXArray {
  let cube = x + scalar(0.044715, like: x) * x * x * x
  let inner = tanh(scalar((2 / Float.pi).squareRoot(), like: x) * cube)
  return scalar(0.5, like: x) * x * (scalar(1, like: x) + inner)
}

/// torch's `Hardsigmoid`.
func hardSigmoid(_ x: MLXArray) -> MLXArray {
  let six = scalar(6, like: x)
  return minimum(maximum(x + scalar(3, like: x), scalar(0, like: x)), six) / six
}

/// torch's `Hardswish`.
func hardSwish(_ x: MLXArray) -> MLXArray { x * hardSigmoid(x) }

extension Weights {
  /// The convolution `name`, see ``Convolution``.
  mutating func convolution(_ name: String, stride: Int = 1, groups: Int = 1) throws -> Convolution
  {
    let bias = name + ".bias"
    return try Convolution(
      weight: take(name + ".weight"), bias: file.parameters[bias] == nil ? nil : take(bias),
      stride: stride, groups: groups)
  }

  /// The norm `name`, with scale and shift.
  mutating func layerNorm(_ name: String) throws -> LayerNorm {
    try LayerNorm(weight: take(name + ".weight"), bias: take(name + ".bias"), epsilon: 1e-5)
  }

  /// The norm `name`, with a shift where it has one.
  mutating func rmsNorm(_ name: String) throws -> RMSNorm {
    let bias = name + ".bias"
    return try RMSNorm(
      weight: take(name + ".weight"), bias: file.parameters[bias] == nil ? nil : take(bias),
      epsilon: 1e-5)
  }

  /// The feed-forward whose tensors begin with `name`, of `channels` inside.
  mutating func gatedConvolution(_ name: String, _ channels: Int) throws -> GatedConvolution {
    try GatedConvolution(
      inverted: matrix(name + "conv_inverted.weight"),
      depth: convolution(name + "conv_depth", groups: 2 * channels),
      point: matrix(name + "conv_point.weight"))
  }
}
