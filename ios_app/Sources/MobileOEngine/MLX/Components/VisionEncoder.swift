import MLX
import MobileO

/// The FastViTHD tower; the arithmetic, in this order, is that of
/// `mobileo_export/runtimes/mlx/vision_encoder.py`.
struct VisionEncoder: ComponentModel {
  private let stem: [Convolution]
  private let stages: [VisionStage]
  private let final: Convolution
  private let squeeze: Matrix
  private let expand: Matrix
  private let dtype: DType

  init(
    _ configuration: VisionEncoderConfiguration, _ weights: inout Weights, _ dtype: DType
  ) throws {
    self.dtype = dtype
    let first = configuration.stages[0].width
    stem = try [
      weights.convolution("stem.0.reparam_conv", stride: 2),
      weights.convolution("stem.1.reparam_conv", stride: 2, groups: first),
      weights.convolution("stem.2.reparam_conv"),
    ]
    var width = first
    stages = try configuration.stages.enumerated().map { index, stage in
      defer { width = stage.width }
      return try VisionStage(stage, index, from: width, &weights)
    }
    final = try weights.convolution("final_conv.reparam_conv", groups: width)
    squeeze = try weights.matrix("final_conv.se.fc1.weight")
    expand = try weights.matrix("final_conv.se.fc2.weight")
  }

  /// `images` [B, 3, S, S], 0 to 1, to `image_features` [B, M, F], row by row.
  func callAsFunction(_ inputs: [String: MLXArray]) throws -> [String: MLXArray] {
    var x = try input("images", inputs).transposed(0, 2, 3, 1).asType(dtype)
    for convolution in stem { x = gelu(convolution(x)) }
    for stage in stages { x = stage(x) }
    x = final(x)
    let mean = x.asType(.float32).mean(axes: [1, 2], keepDims: true).asType(dtype)
    x = gelu(x * sigmoid(expand(relu(squeeze(mean)))))
    return ["image_features": x.reshaped(x.dim(0), x.dim(1) * x.dim(2), x.dim(3))]
  }
}

/// Blocks of one width.
private struct VisionStage {
  private let halving: [Convolution]
  private let places: Convolution?
  private let blocks: [VisionBlock]

  init(
    _ stage: VisionEncoderConfiguration.Stage, _ index: Int, from width: Int,
    _ weights: inout Weights
  ) throws {
    let name = "stages.\(index)."
    halving =
      try stage.halves
      ? [
        weights.convolution(name + "downsample.proj.0.reparam_conv", stride: 2, groups: width),
        weights.convolution(name + "downsample.proj.1.reparam_conv"),
      ] : []
    places =
      try stage.placesTokens
      ? weights.convolution(name + "pos_emb.reparam_conv", groups: stage.width) : nil
    blocks = try (0..<stage.blocks).map { block in
      try VisionBlock(stage, VisionEncoderConfiguration.block(index, block), &weights)
    }
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    var x = x
    for convolution in halving { x = gelu(convolution(x)) }
    if let places { x = places(x) }
    return blocks.reduce(x) { $1($0) }
  }
}

/// Mixes places, by a convolution or by attention, then channels.
private struct VisionBlock {
  private enum Mixer {
    case neighbours(Convolution)
    case attention(LayerNorm, Matrix, Matrix)
  }

  private let mixer: Mixer
  private let near: Convolution
  private let wider: Matrix
  private let narrower: Matrix

  init(
    _ stage: VisionEncoderConfiguration.Stage, _ name: String, _ weights: inout Weights
  ) throws {
    mixer =
      try stage.attends
      ? .attention(
        weights.layerNorm(name + "norm"), weights.matrix(name + "token_mixer.qkv.weight"),
        weights.matrix(name + "token_mixer.proj.weight"))
      : .neighbours(
        weights.convolution(name + "token_mixer.reparam_conv", groups: stage.width))
    near = try weights.convolution(name + "mlp.conv.conv", groups: stage.width)
    wider = try weights.matrix(name + "mlp.fc1.weight")
    narrower = try weights.matrix(name + "mlp.fc2.weight")
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let mixed =
      switch mixer {
      case .neighbours(let convolution): convolution(x)
      case .attention(let norm, let inputs, let output): x + attention(norm(x), inputs, output)
      }
    return mixed + narrower(gelu(wider(near(mixed))))
  }

  private func attention(_ x: MLXArray, _ inputs: Matrix, _ output: Matrix) -> MLXArray {
    let (width, places) = (VisionEncoderConfiguration.headWidth, x.dim(1) * x.dim(2))
    let heads = inputs(x).reshaped(x.dim(0), places, 3, x.dim(3) / width, width)
      .transposed(2, 0, 3, 1, 4)
    let mixed = MLXFast.scaledDotProductAttention(
      queries: heads[0], keys: heads[1], values: heads[2],
      scale: Float(1 / Double(width).squareRoot()), mask: .none)
    return output(mixed.transposed(0, 2, 1, 3).reshaped(x.dim(0), x.dim(1), x.dim(2), x.dim(3)))
  }
}
