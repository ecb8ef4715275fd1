import MobileO

/// `config.json` of an MLX folder: a Qwen2 decoder with its image projector.
///
/// Of the file only what is here decides anything; `mobileo_export/artifacts/mlx/folder.py` reads it alike.
package struct LanguageModelConfiguration: Sendable, Equatable {
  /// Neighbours of a row that share a scale, and bits a weight.
  package struct Quantization: Sendable, Equatable {
    /// 4, 5, 6 or 8.
    package let bits: Int
    /// 32, 64 or 128.
    package let groupSize: Int
  }

  /// What one module has instead of the common quantization.
  package enum Exception: Sendable, Equatable {
    case plain
    case quantized(Quantization)
  }

  /// d, the width of the hidden states.
  package let hidden: Int
  /// Width inside of a layer's MLP.
  package let inner: Int
  /// Decoder layers.
  package let layers: Int
  /// Attention heads.
  package let heads: Int
  /// Heads of keys and values, which attention heads share.
  package let keyValueHeads: Int
  /// Rows of the embedding table.
  package let vocabulary: Int
  /// Positions it was trained with.
  package let positions: Int
  /// Whether the embedding table is the head too.
  package let isTied: Bool
  /// Added to the mean square before its root is taken.
  package let epsilon: Double
  /// Base of the rotary embedding.
  package let ropeBase: Double
  /// F, the width of image features before the projector.
  package let featureWidth: Int
  /// The id that image features replace.
  package let imageToken: Int
  /// Nil: every tensor is plain float16.
  package let quantization: Quantization?
  /// By path of the module.
  package let exceptions: [String: Exception]

  /// The width of an attention head.
  package var headWidth: Int { hidden / heads }

  /// The file at `path`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: it cannot be read, a field is missing or of another
  ///   kind, or it is not a Qwen2 as this release computes it.
  package init(path: String) throws {
    let content: JSONValue
    do { content = try Files.json(path) } catch let problem as JSONReader.Problem {
      throw MobileOError(
        .bundle,
        "\(path): cannot be read as JSON (\(problem.reason)); export again or download it again")
    }
    try self.init(FieldReader(content, at: path))
  }

  init(_ fields: FieldReader) throws {
    func size(_ key: String) throws -> Int {
      let value = try fields.integer(key)
      guard value > 0, value < 1 << 31 else { throw fields.failure("has a \(key) of \(value)") }
      return value
    }
    func number(_ key: String) throws -> Double {
      let value = try fields.double(key)
      guard value > 0, value < 1e30 else { throw fields.failure("has a \(key) of \(value)") }
      return value
    }
    hidden = try size("hidden_size")
    inner = try size("intermediate_size")
    layers = try size("num_hidden_layers")
    heads = try size("num_attention_heads")
    keyValueHeads = try size("num_key_value_heads")
    vocabulary = try size("vocab_size")
    positions = try size("max_position_embeddings")
    featureWidth = try size("mm_hidden_size")
    imageToken = try size("image_token_index")
    epsilon = try number("rms_norm_eps")
    ropeBase = try number("rope_theta")
    guard let isTied = fields.content["tie_word_embeddings"]?.bool else {
      throw fields.failure("has no tie_word_embeddings that is true or false")
    }
    self.isTied = isTied
    guard hidden % (2 * heads) == 0, heads % keyValueHeads == 0 else {
      throw fields.failure(
        "has \(heads) attention heads and \(keyValueHeads) of keys and values, which do not divide a "
          + "hidden size of \(hidden)")
    }
    guard try fields.string("hidden_act") == "silu", fields.optional("rope_scaling") == nil else {
      throw fields.failure("is not a Qwen2's as this release computes it")
    }
    (quantization, exceptions) = try Self.quantization(fields)
  }

  /// `{"bits": 8, "group_size": 64, "MODULE": false, "MODULE": {"bits": 4, "group_size": 64}}`
  private static func quantization(
    _ fields: FieldReader
  ) throws -> (Quantization?, [String: Exception]) {
    guard let entry = fields.optional("quantization") else { return (nil, [:]) }
    let common = try Quantization(entry, fields, "quantization")
    var exceptions: [String: Exception] = [:]
    for (name, value) in try entry.members() where name != "bits" && name != "group_size" {
      exceptions[name] =
        value.content == .bool(false)
        ? .plain : .quantized(try Quantization(value, fields, "quantization.\(name)"))
    }
    return (common, exceptions)
  }
}

extension LanguageModelConfiguration.Quantization {
  private static let everyBits = [4, 5, 6, 8]
  private static let everyGroupSize = [32, 64, 128]

  fileprivate init(_ entry: FieldReader, _ fields: FieldReader, _ name: String) throws {
    guard let bits = entry.content["bits"]?.integer, Self.everyBits.contains(bits),
      let groupSize = entry.content["group_size"]?.integer, Self.everyGroupSize.contains(groupSize)
    else {
      throw fields.failure(
        "has a \(name) other than 4, 5, 6 or 8 bits in groups of 32, 64 or 128: \(entry.content.line)"
      )
    }
    (self.bits, self.groupSize) = (bits, groupSize)
  }
}
