import MobileO

/// The FastViTHD tower's sizes.
package struct VisionEncoderConfiguration: ComponentConfiguration {
  package static let component = "vision_encoder"
  package static let sealed = ["vision"]
  /// The width of an attention head.
  static let headWidth = 32

  /// Blocks of one width.
  package struct Stage: Sendable, Equatable {
    /// Its width.
    package let width: Int
    /// Its blocks.
    package let blocks: Int
    /// Whether they attend; else they mix neighbours.
    package let attends: Bool
    /// Whether its sides are half of those before it.
    package let halves: Bool
    /// Whether it adds what tells places apart.
    package let placesTokens: Bool
  }

  /// A side of the picture.
  package let side: Int
  /// One behind the other.
  package let stages: [Stage]
  /// F, the width of a feature.
  package let features: Int
  /// Width inside of the squeeze-and-excitation.
  package let squeezed: Int
  /// How much wider a block is inside.
  package let ratio: Int

  package init(_ fields: FieldReader) throws {
    side = try fields.size("image_size")
    features = try fields.size("feature_dim")
    squeezed = try fields.size("squeeze_dim")
    ratio = try fields.size("mlp_ratio")
    stages = try fields.array("stages").map { stage in
      func flag(_ key: String) throws -> Bool {
        guard let value = stage.content[key]?.bool else {
          throw stage.failure("has no \(key) that is true or false")
        }
        return value
      }
      return Stage(
        width: try stage.size("dim"), blocks: try stage.size("num_blocks"),
        attends: try flag("attention"), halves: try flag("downsample"),
        placesTokens: try flag("position_encoding"))
    }
    guard let first = stages.first, let last = stages.last, stages.count <= 16, !first.halves,
      ratio < 1 << 8, stages.allSatisfy({ $0.width < 1 << 24 && $0.blocks < 1 << 16 }),
      features % last.width == 0, side % (4 << stages.count(where: \.halves)) == 0,
      stages.allSatisfy({ !$0.attends || $0.width % Self.headWidth == 0 }),
      zip(stages, stages.dropFirst()).allSatisfy({ before, stage in
        stage.halves ? stage.width % before.width == 0 : stage.width == before.width
      })
    else { throw fields.failure("is not a FastViTHD's as this release computes it") }
  }

  package var blocks: Int { stages.reduce(0) { $0 + $1.blocks } }

  /// M: how many features a picture has.
  private var tokens: Int {
    let grid = side / (4 << stages.count(where: \.halves))
    return grid * grid
  }

  package var shapes: [String: [Int]] {
    let first = stages[0].width
    var shapes = Shapes.convolution("stem.0.reparam_conv", first, 3, 3)
    shapes.add(Shapes.convolution("stem.1.reparam_conv", first, 1, 3))
    shapes.add(Shapes.convolution("stem.2.reparam_conv", first, first, 1))
    for (index, stage) in stages.enumerated() {
      let name = "stages.\(index)."
      if stage.halves {
        shapes.add(
          Shapes.convolution(name + "downsample.proj.0.reparam_conv", stage.width, 1, 7))
        shapes.add(
          Shapes.convolution(name + "downsample.proj.1.reparam_conv", stage.width, stage.width, 1))
      }
      if stage.placesTokens {
        shapes.add(Shapes.convolution(name + "pos_emb.reparam_conv", stage.width, 1, 7))
      }
      for block in 0..<stage.blocks {
        shapes.add(self.block(Self.block(index, block), stage))
      }
    }
    shapes.add(Shapes.convolution("final_conv.reparam_conv", features, 1, 3))
    shapes.add(Shapes.convolution("final_conv.se.fc1", squeezed, features, 1))
    shapes.add(Shapes.convolution("final_conv.se.fc2", features, squeezed, 1))
    return shapes
  }

  private func block(_ name: String, _ stage: Stage) -> [String: [Int]] {
    let width = stage.width
    var shapes = Shapes.convolution(name + "mlp.conv.conv", width, 1, 7)
    shapes.add(Shapes.convolution(name + "mlp.fc1", ratio * width, width, 1))
    shapes.add(Shapes.convolution(name + "mlp.fc2", width, ratio * width, 1))
    if stage.attends {
      shapes.add(Shapes.norm(name + "norm", width))
      shapes[name + "token_mixer.qkv.weight"] = [3 * width, width]
      shapes.add(Shapes.linear(name + "token_mixer.proj", width, width))
    } else {
      shapes.add(Shapes.convolution(name + "token_mixer.reparam_conv", width, 1, 3))
    }
    return shapes
  }

  package var signature: (inputs: [String: [Int?]], outputs: [String: [Int?]]) {
    (["images": [nil, 3, side, side]], ["image_features": [nil, tokens, features]])
  }

  /// What the names of a block's tensors begin with.
  static func block(_ stage: Int, _ index: Int) -> String { "stages.\(stage).blocks.\(index)." }
}
