import MobileO

/// The diffusion transformer's sizes: arguments of diffusers' `SanaTransformer2DModel`.
package struct DiTConfiguration: ComponentConfiguration {
  package static let component = "dit"
  package static let sealed = ["diffusion", "dit"]
  /// Numbers that a time step becomes before it is projected.
  static let timeWidth = 256

  /// Blocks.
  package let blocks: Int
  /// Heads of the linear self-attention.
  package let heads: Int
  /// Their width.
  package let headWidth: Int
  /// Heads of the cross-attention.
  package let crossHeads: Int
  /// Their width.
  package let crossHeadWidth: Int
  /// The width of the conditioning.
  package let caption: Int
  /// Of a latent, which it takes and gives.
  package let channels: Int
  /// A side of what becomes a token.
  package let patch: Int
  /// Width inside of the feed-forward.
  package let inner: Int
  /// A side of the latent.
  package let side: Int
  /// Of the norms inside of blocks.
  package let epsilon: Double

  /// The width of the token stream.
  package var width: Int { heads * headWidth }

  package init(_ fields: FieldReader) throws {
    blocks = try fields.size("num_layers")
    heads = try fields.size("num_attention_heads")
    headWidth = try fields.size("attention_head_dim")
    crossHeads = try fields.size("num_cross_attention_heads")
    crossHeadWidth = try fields.size("cross_attention_head_dim")
    caption = try fields.size("caption_channels")
    channels = try fields.size("in_channels")
    patch = try fields.size("patch_size")
    side = try fields.size("sample_size")
    epsilon = try fields.number("norm_eps")
    let (width, overflows) = heads.multipliedReportingOverflow(by: headWidth)
    guard !overflows, try fields.size("cross_attention_dim") == width,
      try fields.size("out_channels") == channels, side % patch == 0,
      try fields.number("timestep_scale") == 1,
      let inner = Int(exactly: (try fields.number("mlp_ratio") * Double(width)).rounded(.down)),
      inner > 0, inner < 1 << 31
    else { throw fields.failure("is not a SANA transformer's as this release computes it") }
    self.inner = inner
  }

  package var shapes: [String: [Int]] {
    let timestep = "time_embed.emb.timestep_embedder."
    var shapes: [String: [Int]] = [
      "scale_shift_table": [2, width], "caption_norm.weight": [width],
      "patch_embed.proj.weight": patch == 1 ? [width, channels] : [width, patch, patch, channels],
      "patch_embed.proj.bias": [width],
    ]
    shapes.add(Shapes.linear(timestep + "linear_1", width, Self.timeWidth))
    shapes.add(Shapes.linear(timestep + "linear_2", width, width))
    shapes.add(Shapes.linear("time_embed.linear", 6 * width, width))
    shapes.add(Shapes.linear("caption_projection.linear_1", width, caption))
    shapes.add(Shapes.linear("caption_projection.linear_2", width, width))
    shapes.add(Shapes.linear("proj_out", patch * patch * channels, width))
    for index in 0..<blocks { shapes.add(block(Self.block(index))) }
    return shapes
  }

  private func block(_ name: String) -> [String: [Int]] {
    let query = crossHeads * crossHeadWidth
    var shapes: [String: [Int]] = [
      name + "scale_shift_table": [6, width], name + "ff.conv_point.weight": [width, inner],
    ]
    for part in ["to_q", "to_k", "to_v"] {
      shapes[name + "attn1.\(part).weight"] = [width, width]
      shapes.add(Shapes.linear(name + "attn2.\(part)", query, width))
    }
    shapes.add(Shapes.linear(name + "attn1.to_out.0", width, width))
    shapes.add(Shapes.linear(name + "attn2.to_out.0", width, query))
    shapes.add(Shapes.linear(name + "ff.conv_inverted", 2 * inner, width))
    shapes.add(Shapes.convolution(name + "ff.conv_depth", 2 * inner, 1, 3))
    return shapes
  }

  package var signature: (inputs: [String: [Int?]], outputs: [String: [Int?]]) {
    let latent = [nil, channels, side, side]
    return (
      [
        "latent": latent, "timestep": [nil], "encoder_hidden_states": [nil, nil, caption],
        "encoder_attention_mask": [nil, nil],
      ], ["velocity": latent]
    )
  }

  /// What the names of a block's tensors begin with.
  static func block(_ index: Int) -> String { "transformer_blocks.\(index)." }
}
