import MobileO

/// The DC-AE decoder's sizes: arguments of diffusers' `AutoencoderDC`.
package struct VAEDecoderConfiguration: ComponentConfiguration {
  package static let component = "vae_decoder"
  package static let sealed = ["diffusion", "vae"]

  /// Blocks of one width.
  package struct Stage: Sendable, Equatable {
    /// Its width.
    package let channels: Int
    /// Its blocks.
    package let layers: Int
    /// Whether they attend; else they are residual convolutions.
    package let attends: Bool
    /// Sides of the convolutions over queries, keys and values.
    package let kernels: [Int]
  }

  /// Of a latent.
  package let latent: Int
  /// Of a picture.
  package let colors: Int
  /// The width of an attention head.
  package let headWidth: Int
  /// From the picture's side to the latent's: they run from the last to the first.
  package let stages: [Stage]

  package init(_ fields: FieldReader) throws {
    latent = try fields.size("latent_channels")
    colors = try fields.size("in_channels")
    let headWidth = try fields.size("attention_head_dim")
    self.headWidth = headWidth
    let types = try fields.strings("decoder_block_types")
    let widths = try fields.integers("decoder_block_out_channels")
    let layers = try fields.integers("decoder_layers_per_block")
    let scales = try fields.rows("decoder_qkv_multiscales").map { row in
      row.compactMap { Int(exactly: $0) }.filter { $0 > 0 && $0 < 64 && $0 % 2 == 1 }
    }
    let given = try fields.rows("decoder_qkv_multiscales").map(\.count)
    guard !types.isEmpty, types.count == widths.count, types.count == layers.count,
      given == scales.map(\.count), types.count == scales.count, types.count <= 16,
      types.allSatisfy({ ["ResBlock", "EfficientViTBlock"].contains($0) }),
      widths.allSatisfy({ $0 > 0 && $0 < 1 << 24 }), layers.allSatisfy({ $0 > 0 && $0 < 1 << 16 }),
      let deepest = widths.last, deepest % latent == 0,
      zip(widths, widths.dropFirst()).allSatisfy({ 4 * $0 % $1 == 0 }),
      zip(widths, types).allSatisfy({ $1 == "ResBlock" || $0 >= headWidth }),
      try fields.string("upsample_block_type") == "interpolate"
    else { throw fields.failure("is not a DC-AE decoder's as this release computes it") }
    stages = widths.indices.map { index in
      Stage(
        channels: widths[index], layers: layers[index],
        attends: types[index] == "EfficientViTBlock", kernels: scales[index])
    }
  }

  package var blocks: Int { stages.reduce(0) { $0 + $1.layers } }

  /// Pixels a side of one place of the latent.
  private var factor: Int { 1 << (stages.count - 1) }

  package var shapes: [String: [Int]] {
    let (first, last) = (stages[0].channels, stages[stages.count - 1].channels)
    var shapes = Shapes.convolution("conv_in", last, latent, 3)
    for (index, stage) in stages.enumerated() {
      if index + 1 < stages.count {
        shapes.add(
          Shapes.convolution(
            Self.upsampling(index) + "conv", stage.channels, stages[index + 1].channels, 3))
      }
      for block in 0..<stage.layers {
        shapes.add(self.block(self.block(index, block), stage))
      }
    }
    shapes.add(Shapes.norm("norm_out", first))
    shapes.add(Shapes.convolution("conv_out", colors, first, 3))
    return shapes
  }

  private func block(_ name: String, _ stage: Stage) -> [String: [Int]] {
    let width = stage.channels
    guard stage.attends else {
      var shapes = Shapes.convolution(name + "conv1", width, width, 3)
      shapes[name + "conv2.weight"] = [width, 3, 3, width]
      shapes.add(Shapes.norm(name + "norm", width))
      return shapes
    }
    let inner = width / headWidth * headWidth
    var shapes = [
      name + "attn.to_out.weight": [width, inner * (1 + stage.kernels.count)],
      name + "conv_out.conv_point.weight": [width, 1, 1, 4 * width],
    ]
    for part in ["to_q", "to_k", "to_v"] { shapes[name + "attn.\(part).weight"] = [inner, width] }
    for (index, kernel) in stage.kernels.enumerated() {
      let scale = Self.scale(name + "attn.", index)
      shapes[scale + "proj_in.weight"] = [3 * inner, kernel, kernel, 1]
      shapes[scale + "proj_out.weight"] = [3 * inner, 1, 1, headWidth]
    }
    shapes.add(Shapes.norm(name + "attn.norm_out", width))
    shapes.add(Shapes.convolution(name + "conv_out.conv_inverted", 8 * width, width, 1))
    shapes.add(Shapes.convolution(name + "conv_out.conv_depth", 8 * width, 1, 3))
    shapes.add(Shapes.norm(name + "conv_out.norm", width))
    return shapes
  }

  package var signature: (inputs: [String: [Int?]], outputs: [String: [Int?]]) {
    (["latent": [nil, latent, nil, nil]], ["image": [nil, colors, nil, nil]])
  }

  /// What the names of the tensors begin with that make a stage's side twice as long.
  static func upsampling(_ stage: Int) -> String { "up_blocks.\(stage).0." }

  /// What the names of a block's tensors begin with.
  func block(_ stage: Int, _ index: Int) -> String {
    "up_blocks.\(stage).\(index + (stage + 1 < stages.count ? 1 : 0))."
  }

  /// What the names of the tensors of one convolution over queries, keys and values begin with.
  static func scale(_ attention: String, _ index: Int) -> String {
    "\(attention)to_qkv_multiscale.\(index)."
  }
}
