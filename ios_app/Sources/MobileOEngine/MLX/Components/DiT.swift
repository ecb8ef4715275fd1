import Foundation
import MLX
import MLXNN
import MobileO

/// The diffusion transformer; the arithmetic, in this order, is that of
/// `mobileo_export/runtimes/mlx/dit.py`, which says what is float32 in any build and why.
struct DiT: ComponentModel {
  private let sizes: DiTConfiguration
  private let embed: Matrix
  private let time: (Matrix, Matrix)
  private let modulation: Matrix
  private let caption: (Matrix, Matrix)
  private let captionNorm: MLXArray
  private let blocks: [DiTBlock]
  private let table: MLXArray
  private let output: Matrix
  private let dtype: DType

  init(
    _ configuration: DiTConfiguration, _ weights: inout Weights, _ dtype: DType
  ) throws {
    (sizes, self.dtype) = (configuration, dtype)
    embed = try weights.matrix("patch_embed.proj.weight")
    let timestep = "time_embed.emb.timestep_embedder."
    time = try (
      weights.matrix(timestep + "linear_1.weight", .float32),
      weights.matrix(timestep + "linear_2.weight", .float32)
    )
    modulation = try weights.matrix("time_embed.linear.weight", .float32)
    caption = try (
      weights.matrix("caption_projection.linear_1.weight"),
      weights.matrix("caption_projection.linear_2.weight")
    )
    captionNorm = try weights.take("caption_norm.weight", .float32)
    blocks = try (0..<configuration.blocks).map { index in
      try DiTBlock(configuration, DiTConfiguration.block(index), &weights)
    }
    table = try weights.take("scale_shift_table", .float32)
    output = try weights.matrix("proj_out.weight", .float32)
  }

  /// `latent` [B, C, S, S], `timestep` [B], `encoder_hidden_states` [B, N, K] and
  /// `encoder_attention_mask` [B, N] to `velocity` [B, C, S, S]. Both branches of guidance are two rows.
  func callAsFunction(_ inputs: [String: MLXArray]) throws -> [String: MLXArray] {
    let latent = try input("latent", inputs).transposed(0, 2, 3, 1)
    let (rows, height, width) = (latent.dim(0), latent.dim(1), latent.dim(2))
    let grid = [height / sizes.patch, width / sizes.patch]
    let embedded = try time.1(silu(time.0(Self.waves(input("timestep", inputs)))))
    let times = modulation(silu(embedded)).reshaped(rows, 6, sizes.width)
    let projected = try caption.1(
      tanhGELU(caption.0(input("encoder_hidden_states", inputs).asType(dtype))))
    let conditions = MLXFast.rmsNorm(
      projected.asType(.float32), weight: captionNorm, eps: 1e-5
    ).asType(dtype)
    let kept = try input("encoder_attention_mask", inputs)
    let bias = ((MLXArray(Float(1)) - kept) * MLXArray(Float(-10000))).asType(dtype)
      .reshaped(rows, 1, 1, -1)
    let squares = latent.asType(dtype)
      .reshaped(rows, grid[0], sizes.patch, grid[1], sizes.patch, sizes.channels)
      .transposed(0, 1, 3, 2, 4, 5).reshaped(rows, grid[0] * grid[1], -1)
    var x = embed(squares).asType(.float32)
    for block in blocks { x = block(x, conditions, bias, times, height: grid[0]) }
    let (shift, scale) = split(table + embedded.reshaped(rows, 1, sizes.width), axis: 1)
    let tokens = output(modulated(x, shift, scale, epsilon: 1e-6))
    let (side, channels) = (sizes.patch, sizes.channels)
    let places = tokens.reshaped(rows, grid[0], grid[1], side, side, channels)
      .transposed(0, 5, 1, 3, 2, 4)
    return ["velocity": places.reshaped(rows, channels, height, width)]
  }

  /// Cosines and sines [B, 256] of time steps [B], in float32.
  private static func waves(_ steps: MLXArray) -> MLXArray {
    let half = DiTConfiguration.timeWidth / 2
    let exponents = (0..<half).map { Float($0) * -logf(10000) / Float(half) }
    let angles = steps.reshaped(-1, 1) * exp(MLXArray(exponents, [1, half]))
    return concatenated([cos(angles), sin(angles)], axis: -1)
  }
}

/// One block: linear self-attention, cross-attention, feed-forward.
private struct DiTBlock {
  private let table: MLXArray
  private let own: (query: Matrix, key: Matrix, value: Matrix, output: Matrix)
  private let cross: (query: Matrix, key: Matrix, value: Matrix, output: Matrix)
  private let inverted: Matrix
  private let depth: DepthwiseConvolution
  private let point: Matrix
  private let sizes: DiTConfiguration

  init(_ sizes: DiTConfiguration, _ name: String, _ weights: inout Weights) throws {
    self.sizes = sizes
    table = try weights.take(name + "scale_shift_table", .float32)
    func attention(_ name: String) throws -> (Matrix, Matrix, Matrix, Matrix) {
      try (
        weights.matrix(name + "to_q.weight"), weights.matrix(name + "to_k.weight"),
        weights.matrix(name + "to_v.weight"), weights.matrix(name + "to_out.0.weight")
      )
    }
    (own, cross) = try (attention(name + "attn1."), attention(name + "attn2."))
    inverted = try weights.matrix(name + "ff.conv_inverted.weight")
    depth = try weights.depthwise(name + "ff.conv_depth")
    point = try weights.matrix(name + "ff.conv_point.weight")
  }

  /// The stream [B, T, D] float32; `times` are [B, 6, D] float32.
  func callAsFunction(
    _ x: MLXArray, _ conditions: MLXArray, _ bias: MLXArray, _ times: MLXArray, height: Int
  ) -> MLXArray {
    let (dtype, epsilon) = (conditions.dtype, Float(sizes.epsilon))
    let parts = split(table + times, parts: 6, axis: 1)
    let own = modulated(x, parts[0], parts[1], epsilon: epsilon).asType(dtype)
    var x = x + parts[2] * selfAttention(own)
    x = x + crossAttention(x.asType(dtype), conditions, bias)
    let inner = modulated(x, parts[3], parts[4], epsilon: epsilon).asType(dtype)
    return x + parts[5] * feed(inner, height: height)
  }

  /// SANA's feed-forward: up, over neighbours, half of it a gate of the other, down.
  private func feed(_ x: MLXArray, height: Int) -> MLXArray {
    let (rows, tokens) = (x.dim(0), x.dim(1))
    let wide = silu(inverted(x)).reshaped(rows, height, tokens / height, 2 * sizes.inner)
    let (values, gate) = split(depth(wide), axis: -1)
    return point((values * silu(gate)).reshaped(rows, tokens, sizes.inner))
  }

  private func heads(_ x: MLXArray, _ count: Int, _ width: Int) -> MLXArray {
    x.reshaped(x.dim(0), x.dim(1), count, width).transposed(0, 2, 1, 3)
  }

  private func selfAttention(_ x: MLXArray) -> MLXArray {
    func heads(_ matrix: Matrix) -> MLXArray { self.heads(matrix(x), sizes.heads, sizes.headWidth) }
    let mixed = linearAttention(heads(own.query), heads(own.key), heads(own.value))
    return own.output(
      mixed.transposed(0, 2, 1, 3).reshaped(x.dim(0), x.dim(1), sizes.width).asType(x.dtype))
  }

  private func crossAttention(
    _ x: MLXArray, _ conditions: MLXArray, _ bias: MLXArray
  ) -> MLXArray {
    let (count, width) = (sizes.crossHeads, sizes.crossHeadWidth)
    let mixed = MLXFast.scaledDotProductAttention(
      queries: heads(cross.query(x), count, width),
      keys: heads(cross.key(conditions), count, width),
      values: heads(cross.value(conditions), count, width),
      scale: Float(1 / Double(width).squareRoot()), mask: .array(bias))
    return cross.output(
      mixed.transposed(0, 2, 1, 3).reshaped(x.dim(0), x.dim(1), count * width))
  }
}

/// A norm of `x` that the time step scales and shifts.
private func modulated(
  _ x: MLXArray, _ shift: MLXArray, _ scale: MLXArray, epsilon: Float
) -> MLXArray {
  let normed = LayerNorm(weight: nil, bias: nil, epsilon: epsilon)(x)
  return normed * (MLXArray(Float(1)) + scale) + shift
}
