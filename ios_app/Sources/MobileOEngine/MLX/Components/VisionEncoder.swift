import MLX
import MobileO

/// The FastViTHD tower, in bands of rows where it is wide; the arithmetic, in this order, is that of
/// `mobileo_export/runtimes/mlx/vision_encoder.py`.
struct VisionEncoder: ComponentModel {
  private let stem: Stem
  private let stages: [VisionStage]
  private let expansion: Expansion
  private let dtype: DType

  init(
    _ configuration: VisionEncoderConfiguration, _ weights: inout Weights, _ dtype: DType
  ) throws {
    self.dtype = dtype
    stem = try Stem(&weights)
    var (width, stages) = (configuration.stages[0].width, [VisionStage]())
    for (index, stage) in configuration.stages.enumerated() {
      stages.append(try VisionStage(stage, index, from: width, &weights))
      width = stage.width
    }
    self.stages = stages
    expansion = try Expansion(multiplier: configuration.features / width, &weights)
  }

  /// `images` [1, 3, S, S], 0 to 1, to `image_features` [1, M, F], row by row.
  func callAsFunction(_ inputs: [String: MLXArray]) throws -> [String: MLXArray] {
    var x = stem(try input("images", inputs).transposed(0, 2, 3, 1).asType(dtype))
    for stage in stages { x = stage(x) }
    x = expansion(x)
    return ["image_features": x.reshaped(x.dim(0), x.dim(1) * x.dim(2), x.dim(3))]
  }
}

/// Three convolutions, the second of each channel for itself, to a quarter of the sides.
private struct Stem {
  private let first: Convolution
  private let second: DepthwiseConvolution
  private let third: Matrix

  init(_ weights: inout Weights) throws {
    first = try weights.convolution("stem.0.reparam_conv", stride: 2)
    second = try weights.depthwise("stem.1.reparam_conv", stride: 2)
    third = try weights.matrix("stem.2.reparam_conv.weight")
  }

  func callAsFunction(_ images: MLXArray) -> MLXArray {
    let values = images.dim(2) / 2 * third.weight.dim(1) / 2
    var bands = Bands.split(images, values: values, step: 4)
    // A place of the result reaches three rows above its first and none below its last.
    let made = Bands.map(&bands, above: 3, below: 0) { x, edges in
      let above = Edges(above: edges.above, below: false)
      return wideGELU(third(wideGELU(second(wideGELU(first(x, above)), above))))
    }
    return evaluated(Bands.joined(made))
  }
}

/// Blocks of one width.
private struct VisionStage {
  private let halving: (DepthwiseConvolution, Matrix)?
  private let places: DepthwiseConvolution?
  private let blocks: [VisionBlock]

  init(
    _ stage: VisionEncoderConfiguration.Stage, _ index: Int, from width: Int,
    _ weights: inout Weights
  ) throws {
    let name = "stages.\(index)."
    halving =
      try stage.halves
      ? (
        weights.depthwise(
          name + "downsample.proj.0.reparam_conv", multiplier: stage.width / width, stride: 2),
        weights.matrix(name + "downsample.proj.1.reparam_conv.weight")
      ) : nil
    places = try stage.placesTokens ? weights.depthwise(name + "pos_emb.reparam_conv") : nil
    var blocks: [VisionBlock] = []
    for block in 0..<stage.blocks {
      let name = VisionEncoderConfiguration.block(index, block)
      blocks.append(try VisionBlock(stage, name, &weights))
    }
    self.blocks = blocks
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    var x = x
    if let (first, second) = halving { x = evaluated(wideGELU(second(wideGELU(first(x))))) }
    if let places { x = evaluated(places(x)) }
    return blocks.reduce(x) { $1($0) }
  }
}

/// Mixes places, by a convolution or by attention, then channels.
private struct VisionBlock {
  private enum Mixer {
    case neighbours(DepthwiseConvolution)
    case attention(VisionAttention)
  }

  private let mixer: Mixer
  private let near: DepthwiseConvolution
  private let wider: Matrix
  private let narrower: Matrix

  init(
    _ stage: VisionEncoderConfiguration.Stage, _ name: String, _ weights: inout Weights
  ) throws {
    mixer =
      try stage.attends
      ? .attention(VisionAttention(name, &weights))
      : .neighbours(weights.depthwise(name + "token_mixer.reparam_conv"))
    near = try weights.depthwise(name + "mlp.conv.conv")
    wider = try weights.matrix(name + "mlp.fc1.weight")
    narrower = try weights.matrix(name + "mlp.fc2.weight")
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let mixed =
      switch mixer {
      case .neighbours(let convolution): evaluated(convolution(x))
      case .attention(let attention): evaluated(x + attention(x))
      }
    let values = x.dim(2) * wider.weight.dim(0)
    let bands = zip(
      Bands.split(mixed, values: values), Bands.split(evaluated(near(mixed)), values: values))
    return Bands.joined(
      bands.map { rows, given in evaluated(rows + narrower(wideGELU(wider(given)))) })
  }
}

/// Softmax attention over all places.
private struct VisionAttention {
  private static let width = VisionEncoderConfiguration.headWidth

  private let norm: LayerNorm
  private let projection: Matrix
  private let output: Matrix

  init(_ name: String, _ weights: inout Weights) throws {
    norm = try weights.layerNorm(name + "norm")
    projection = try weights.matrix(name + "token_mixer.qkv.weight")
    output = try weights.matrix(name + "token_mixer.proj.weight")
  }

  /// In float32, some heads at a time: no kernel of MLX fuses attention over heads of 32.
  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let (rows, height, width, channels) = (x.dim(0), x.dim(1), x.dim(2), x.dim(3))
    let places = height * width
    let heads = projection(norm(x)).reshaped(rows, places, 3, channels / Self.width, Self.width)
      .transposed(2, 0, 3, 1, 4)
    let step = Bands.atOnce(places * places)
    var mixed: [MLXArray] = []
    for start in stride(from: 0, to: heads.dim(2), by: step) {
      let some = heads[0..., 0..., start..<min(start + step, heads.dim(2))].asType(.float32)
      let result = MLXFast.scaledDotProductAttention(
        queries: some[0], keys: some[1], values: some[2],
        scale: Float(1 / Double(Self.width).squareRoot()), mask: .none)
      mixed.append(
        evaluated(
          result.transposed(0, 2, 1, 3).reshaped(rows, places, result.dim(1) * Self.width)
            .asType(x.dtype)))
    }
    return output(concatenated(mixed, axis: -1).reshaped(rows, height, width, channels))
  }
}

/// Each channel into two or more, which are weighed by what all places have of them.
private struct Expansion {
  private let convolution: DepthwiseConvolution
  private let squeeze: Matrix
  private let expand: Matrix

  init(multiplier: Int, _ weights: inout Weights) throws {
    convolution = try weights.depthwise("final_conv.reparam_conv", multiplier: multiplier)
    squeeze = try weights.matrix("final_conv.se.fc1.weight")
    expand = try weights.matrix("final_conv.se.fc2.weight")
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let wide = convolution(x)
    let mean = wide.asType(.float32).mean(axes: [1, 2], keepDims: true).asType(x.dtype)
    return wideGELU(wide * sigmoid(expand(relu(squeeze(mean)))))
  }
}
