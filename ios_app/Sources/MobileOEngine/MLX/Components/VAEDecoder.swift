import MLX
import MLXNN
import MobileO

/// The DC-AE decoder; the arithmetic, in this order, is that of
/// `mobileo_export/runtimes/mlx/vae_decoder.py`.
struct VAEDecoder: ComponentModel {
  private let input: Convolution
  private let stages: [DecoderStage]
  private let norm: RMSNorm
  private let output: Convolution
  private let dtype: DType

  init(
    _ configuration: VAEDecoderConfiguration, _ weights: inout Weights, _ dtype: DType
  ) throws {
    self.dtype = dtype
    input = try weights.convolution("conv_in")
    stages = try configuration.stages.indices.reversed().map { index in
      try DecoderStage(configuration, index, &weights)
    }
    norm = try weights.rmsNorm("norm_out")
    output = try weights.convolution("conv_out")
  }

  /// `latent` [B, C, S, S] to `image` [B, 3, S·f, S·f].
  func callAsFunction(_ inputs: [String: MLXArray]) throws -> [String: MLXArray] {
    let latent = try input("latent", inputs).transposed(0, 2, 3, 1).asType(dtype)
    let wide = input(latent)
    var x = wide + repeated(latent, count: wide.dim(3) / latent.dim(3), axis: 3)
    for stage in stages { x = stage(x) }
    return ["image": output(relu(norm(x))).transposed(0, 3, 1, 2)]
  }
}

/// Blocks of one width, behind what makes their sides twice as long.
private struct DecoderStage {
  private let upsampling: Convolution?
  private let blocks: [DecoderBlock]

  init(
    _ configuration: VAEDecoderConfiguration, _ index: Int, _ weights: inout Weights
  ) throws {
    upsampling =
      try index + 1 < configuration.stages.count
      ? weights.convolution(VAEDecoderConfiguration.upsampling(index) + "conv") : nil
    let stage = configuration.stages[index]
    blocks = try (0..<stage.layers).map { block in
      let name = configuration.block(index, block)
      return try stage.attends
        ? .attending(Attending(stage, configuration.headWidth, name, &weights))
        : .residual(
          weights.convolution(name + "conv1"), weights.convolution(name + "conv2"),
          weights.rmsNorm(name + "norm"))
    }
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let larger = upsampling.map { doubled(x, $0) } ?? x
    return blocks.reduce(larger) { $1($0) }
  }

  /// Each place four times and a convolution over them, added to four of its channels side by side.
  private func doubled(_ x: MLXArray, _ convolution: Convolution) -> MLXArray {
    let (rows, height, width, channels) = (x.dim(0), x.dim(1), x.dim(2), x.dim(3))
    let near = convolution(repeated(repeated(x, count: 2, axis: 1), count: 2, axis: 2))
    let outputs = near.dim(3)
    let spread = repeated(x, count: 4 * outputs / channels, axis: 3)
      .reshaped(rows, height, width, outputs, 2, 2).transposed(0, 1, 4, 2, 5, 3)
      .reshaped(rows, 2 * height, 2 * width, outputs)
    return near + spread
  }
}

/// One block.
private enum DecoderBlock {
  case residual(Convolution, Convolution, RMSNorm)
  case attending(Attending)

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    switch self {
    case .residual(let first, let second, let norm): norm(second(silu(first(x)))) + x
    case .attending(let block): block(x)
    }
  }
}

/// Linear attention over places at several scales, then the feed-forward.
private struct Attending {
  private let inputs: [Matrix]
  private let scales: [(places: Convolution, channels: Convolution)]
  private let output: Matrix
  private let norm: RMSNorm
  private let feed: GatedConvolution
  private let feedNorm: RMSNorm
  private let headWidth: Int

  init(
    _ stage: VAEDecoderConfiguration.Stage, _ headWidth: Int, _ name: String,
    _ weights: inout Weights
  ) throws {
    self.headWidth = headWidth
    let inner = stage.channels / headWidth * headWidth
    inputs = try ["to_q", "to_k", "to_v"].map { part in
      try weights.matrix(name + "attn.\(part).weight")
    }
    scales = try stage.kernels.indices.map { index in
      let scale = VAEDecoderConfiguration.scale(name, index)
      return try (
        weights.convolution(scale + "proj_in", groups: 3 * inner),
        weights.convolution(scale + "proj_out", groups: 3 * inner / headWidth)
      )
    }
    output = try weights.matrix(name + "attn.to_out.weight")
    norm = try weights.rmsNorm(name + "attn.norm_out")
    feed = try weights.gatedConvolution(name + "conv_out.", 4 * stage.channels)
    feedNorm = try weights.rmsNorm(name + "conv_out.norm")
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let attended = attention(x) + x
    return feedNorm(feed(attended)) + attended
  }

  private func attention(_ x: MLXArray) -> MLXArray {
    let (rows, height, width) = (x.dim(0), x.dim(1), x.dim(2))
    let base = concatenated(inputs.map { $0(x) }, axis: -1)
    let all = concatenated([base] + scales.map { $0.channels($0.places(base)) }, axis: -1)
    // A head takes its queries, keys and values from neighbouring channels.
    let heads = all.reshaped(rows, height * width, -1, 3, headWidth).transposed(3, 0, 2, 1, 4)
    let mixed = linearAttention(heads[0], heads[1], heads[2])
    return norm(
      output(mixed.transposed(0, 2, 1, 3).reshaped(rows, height, width, -1).asType(x.dtype)))
  }
}
