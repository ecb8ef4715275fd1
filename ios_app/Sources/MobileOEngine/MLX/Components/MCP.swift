import MLX
import MobileO

/// The Mobile Conditioning Projector; the arithmetic, in this order, is that of
/// `mobileo_export/runtimes/mlx/mcp.py`.
struct MCP: ComponentModel {
  /// [K], which add up to 1.
  private let layers: MLXArray
  private let compress: (Matrix, LayerNorm)
  private let refiners: [Refiner]
  private let project: (Matrix, LayerNorm)
  private let dtype: DType

  init(
    _ configuration: MCPConfiguration, _ weights: inout Weights, _ dtype: DType
  ) throws {
    self.dtype = dtype
    layers = try softmax(
      weights.take("layer_weights", .float32) / weights.take("temperature", .float32), axis: -1)
    compress = try (
      weights.matrix("input_compress.0.weight"), weights.layerNorm("input_compress.1")
    )
    refiners = try (0..<configuration.blocks).map { index in
      let block = MCPConfiguration.block(index)
      return try Refiner(
        depthwise: weights.take(block + "conv.depthwise.weight"),
        pointwise: weights.matrix(block + "conv.pointwise.weight"),
        convolutionNorm: weights.layerNorm(block + "conv.norm"),
        squeeze: weights.matrix(block + "channel_attn.fc.0.weight"),
        expand: weights.matrix(block + "channel_attn.fc.2.weight"),
        norm: weights.layerNorm(block + "norm"))
    }
    project = try (weights.matrix("output_proj.0.weight"), weights.layerNorm("output_proj.1"))
  }

  /// `stacked_hidden_states` [B, K, N, d] to `conditioning` [B, N, C].
  func callAsFunction(_ inputs: [String: MLXArray]) throws -> [String: MLXArray] {
    let states = try input("stacked_hidden_states", inputs)
    let weighted = states * layers.reshaped(1, -1, 1, 1)
    var x = weighted.sum(axis: 1).asType(dtype)
    x = hardSwish(compress.1(compress.0(x)))
    for refiner in refiners { x = refiner(x) }
    return ["conditioning": project.1(project.0(x))]
  }
}

/// Mixes a token with its two neighbours, then scales channels by what their means over all tokens say.
private struct Refiner {
  let depthwise: MLXArray
  let pointwise: Matrix
  let convolutionNorm: LayerNorm
  let squeeze: Matrix
  let expand: Matrix
  let norm: LayerNorm

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let near = conv1d(x, depthwise, padding: 1, groups: depthwise.dim(0))
    let mixed = hardSwish(convolutionNorm(pointwise(near)))
    let mean = mixed.asType(.float32).mean(axis: 1, keepDims: true).asType(x.dtype)
    let scale = hardSigmoid(expand(hardSwish(squeeze(mean))))
    return norm(x + mixed * scale)
  }
}
