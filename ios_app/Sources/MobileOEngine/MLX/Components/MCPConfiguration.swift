import MobileO

/// The Mobile Conditioning Projector's sizes.
package struct MCPConfiguration: ComponentConfiguration {
  package static let component = "mcp"
  package static let sealed = ["mcp"]

  /// K: how many of the last hidden states it takes.
  package let states: Int
  /// d, the width of the hidden states.
  package let input: Int
  /// Width inside.
  package let hidden: Int
  /// C, the width of the conditioning.
  package let output: Int
  /// Refinement blocks.
  package let blocks: Int
  /// Width inside of the channel attention.
  package let squeezed: Int

  package init(_ fields: FieldReader) throws {
    states = try fields.size("num_layers")
    input = try fields.size("input_dim")
    hidden = try fields.size("hidden_dim")
    output = try fields.size("output_dim")
    squeezed = try fields.size("channel_attention_dim")
    blocks = try fields.integer("num_refinement_blocks")
    guard blocks >= 0 else { throw fields.failure("has a num_refinement_blocks of \(blocks)") }
  }

  package var shapes: [String: [Int]] {
    var shapes: [String: [Int]] = ["layer_weights": [states], "temperature": []]
    shapes.add(Shapes.linear("input_compress.0", hidden, input))
    shapes.add(Shapes.norm("input_compress.1", hidden))
    for index in 0..<blocks {
      let block = Self.block(index)
      shapes.add([
        block + "conv.depthwise.weight": [hidden, 3, 1],
        block + "conv.pointwise.weight": [hidden, hidden],
        block + "channel_attn.fc.0.weight": [squeezed, hidden],
        block + "channel_attn.fc.2.weight": [hidden, squeezed],
      ])
      shapes.add(Shapes.norm(block + "conv.norm", hidden))
      shapes.add(Shapes.norm(block + "norm", hidden))
    }
    shapes.add(Shapes.linear("output_proj.0", output, hidden))
    shapes.add(Shapes.norm("output_proj.1", output))
    return shapes
  }

  package var signature: (inputs: [String: [Int?]], outputs: [String: [Int?]]) {
    (["stacked_hidden_states": [nil, states, nil, input]], ["conditioning": [nil, nil, output]])
  }

  /// What the names of a refinement block's tensors begin with.
  static func block(_ index: Int) -> String { "sequence_refiners.\(index)." }
}
