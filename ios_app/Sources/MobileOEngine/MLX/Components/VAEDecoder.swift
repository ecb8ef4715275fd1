import MLX
import MLXNN
import MobileO

/// The DC-AE decoder, in bands of rows; the arithmetic, in this order, is that of
/// `mobileo_export/runtimes/mlx/vae_decoder.py`.
struct VAEDecoder: ComponentModel {
  private let first: Convolution
  private let blocks: [DecoderBlock]
  private let norm: ShiftedRMSNorm
  private let last: Convolution
  private let dtype: DType

  init(
    _ configuration: VAEDecoderConfiguration, _ weights: inout Weights, _ dtype: DType
  ) throws {
    self.dtype = dtype
    first = try weights.convolution("conv_in")
    var blocks: [DecoderBlock] = []
    for (index, stage) in configuration.stages.enumerated().reversed() {
      if index + 1 < configuration.stages.count {
        let name = VAEDecoderConfiguration.upsampling(index)
        blocks.append(.upsampling(Upsampling(try weights.convolution(name + "conv"))))
      }
      for block in 0..<stage.layers {
        let name = configuration.block(index, block)
        if stage.attends {
          blocks.append(
            .attending(
              try MultiscaleAttention(stage, configuration.headWidth, name + "attn.", &weights),
              try GatedConvolution(name + "conv_out.", &weights)))
        } else {
          blocks.append(.residual(try ResidualBlock(name, &weights)))
        }
      }
    }
    self.blocks = blocks
    norm = try weights.rmsNorm("norm_out")
    last = try weights.convolution("conv_out")
  }

  /// `latent` [1, C, S, S] to `image` [1, 3, S·f, S·f].
  func callAsFunction(_ inputs: [String: MLXArray]) throws -> [String: MLXArray] {
    let latent = try input("latent", inputs).transposed(0, 2, 3, 1).asType(dtype)
    let wide = first(latent)
    var bands = [wide + repeated(latent, count: wide.dim(3) / latent.dim(3), axis: 3)]
    for block in blocks { bands = block(&bands) }
    let image = Bands.map(&bands, above: 1, below: 1) { x, edges in
      last(relu(norm(x)), edges).asType(.float32)
    }
    return ["image": Bands.joined(image).transposed(0, 3, 1, 2)]
  }
}

/// One block: a picture in bands, which it empties, to another.
private enum DecoderBlock {
  case upsampling(Upsampling)
  case residual(ResidualBlock)
  case attending(MultiscaleAttention, GatedConvolution)

  func callAsFunction(_ bands: inout [MLXArray]) -> [MLXArray] {
    switch self {
    case .upsampling(let block): return block(&bands)
    case .residual(let block): return Bands.map(&bands, above: 2, below: 2, block.callAsFunction)
    case .attending(let attention, let gated):
      // Only attention looks at a picture as a whole, where it is small.
      let x = Bands.joined(bands)
      bands = []
      var parts = Bands.split(evaluated(attention(x)), values: x.dim(2) * gated.width)
      return Bands.map(&parts, above: 1, below: 1, gated.callAsFunction)
    }
  }
}

/// Two convolutions of 3 × 3 beside a shortcut.
private struct ResidualBlock {
  private let first: Convolution
  private let second: Convolution
  private let norm: ShiftedRMSNorm

  init(_ name: String, _ weights: inout Weights) throws {
    first = try weights.convolution(name + "conv1")
    second = try weights.convolution(name + "conv2")
    norm = try weights.rmsNorm(name + "norm")
  }

  func callAsFunction(_ x: MLXArray, _ edges: Edges) -> MLXArray {
    Bands.inner(x, 2, edges) + norm(second(silu(first(x, edges)), edges))
  }
}

/// Twice the sides: each place four times, convolved, beside channels laid out as places.
private struct Upsampling {
  private let convolution: Convolution
  private var outputs: Int { convolution.weight.dim(0) }

  init(_ convolution: Convolution) { self.convolution = convolution }

  func callAsFunction(_ bands: inout [MLXArray]) -> [MLXArray] {
    var finer = bands.flatMap { Bands.split($0, values: 4 * $0.dim(2) * outputs) }
    bands = []
    return Bands.map(&finer, above: 1, below: 1) { x, edges in
      // Of two rows, one is reached to.
      let near = Bands.inner(enlarged(x, x.dim(3)), 1, edges)
      return convolution(near, edges) + enlarged(Bands.inner(x, 1, edges), outputs)
    }
  }

  /// [1, H, W, I] to [1, 2H, 2W, `outputs`]: of the I channels, each repeated until they are four times
  /// `outputs`, four in a row become the four places of one channel.
  private func enlarged(_ x: MLXArray, _ outputs: Int) -> MLXArray {
    let (rows, height, width) = (x.dim(0), x.dim(1), x.dim(2))
    if outputs == x.dim(3) { return repeated(repeated(x, count: 2, axis: 1), count: 2, axis: 2) }
    return repeated(x, count: 4 * outputs / x.dim(3), axis: 3)
      .reshaped(rows, height, width, outputs, 2, 2).transposed(0, 1, 4, 2, 5, 3)
      .reshaped(rows, 2 * height, 2 * width, outputs)
  }
}

/// SANA's linear attention over all places, of queries, keys and values and of what they are around them.
private struct MultiscaleAttention {
  private let projection: Matrix
  /// Around a place, then for each group of channels a matrix [in, out].
  private let scales: [(around: DepthwiseConvolution, matrices: MLXArray)]
  private let output: Matrix
  private let norm: ShiftedRMSNorm
  private let headWidth: Int

  init(
    _ stage: VAEDecoderConfiguration.Stage, _ headWidth: Int, _ name: String,
    _ weights: inout Weights
  ) throws {
    self.headWidth = headWidth
    let parts = try ["to_q", "to_k", "to_v"].map { try weights.take(name + "\($0).weight") }
    projection = Matrix(weight: concatenated(parts, axis: 0), bias: nil, packing: nil)
    scales = try stage.kernels.indices.map { index in
      let scale = VAEDecoderConfiguration.scale(name, index)
      let matrices = try weights.take(scale + "proj_out.weight")
      return (
        try weights.depthwise(scale + "proj_in"),
        contiguous(matrices.reshaped(-1, headWidth, headWidth).transposed(0, 2, 1))
      )
    }
    output = try weights.matrix(name + "to_out.weight")
    norm = try weights.rmsNorm(name + "norm_out")
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let projected = projection(x)
    var mixed = [evaluated(attention(projected))]
    for (around, matrices) in scales {
      let groups = around(projected).reshaped(-1, matrices.dim(0), headWidth).transposed(1, 0, 2)
      let scaled = matmul(groups, matrices).transposed(1, 0, 2).reshaped(projected.shape)
      mixed.append(evaluated(attention(scaled)))
    }
    return x + norm(output(concatenated(mixed, axis: -1)))
  }

  /// [1, H, W, 3D] to [1, H, W, D]: of each three head widths in a row, queries, keys and values of one
  /// head.
  private func attention(_ x: MLXArray) -> MLXArray {
    let (height, width) = (x.dim(1), x.dim(2))
    let heads = x.reshaped(1, height * width, -1, 3, headWidth).transposed(3, 0, 2, 1, 4)
    return linearAttention(heads[0], heads[1], heads[2]).transposed(0, 2, 1, 3)
      .reshaped(1, height, width, x.dim(3) / 3).asType(x.dtype)
  }
}

/// SANA's feed-forward: up, over neighbours, half of it a gate of the other, down.
private struct GatedConvolution {
  private let inverted: Matrix
  private let depth: DepthwiseConvolution
  private let point: Matrix
  private let norm: ShiftedRMSNorm
  /// Inside.
  var width: Int { inverted.weight.dim(0) }

  init(_ name: String, _ weights: inout Weights) throws {
    inverted = try weights.matrix(name + "conv_inverted.weight")
    depth = try weights.depthwise(name + "conv_depth")
    point = try weights.matrix(name + "conv_point.weight")
    norm = try weights.rmsNorm(name + "norm")
  }

  func callAsFunction(_ x: MLXArray, _ edges: Edges) -> MLXArray {
    let (values, gate) = split(depth(silu(inverted(x)), edges), axis: -1)
    return Bands.inner(x, 1, edges) + norm(point(values * silu(gate)))
  }
}

/// diffusers' `RMSNorm` over channels, with its shift; its square is float32.
private struct ShiftedRMSNorm {
  let weight: MLXArray
  let bias: MLXArray

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    MLXFast.rmsNorm(x, weight: weight, eps: 1e-5) + bias
  }
}

extension Weights {
  fileprivate mutating func rmsNorm(_ name: String) throws -> ShiftedRMSNorm {
    try ShiftedRMSNorm(weight: take(name + ".weight"), bias: take(name + ".bias"))
  }
}
