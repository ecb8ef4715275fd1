import MobileO

/// `config.json` of an MLX folder: a Qwen2 decoder with its image projector.
///
/// Of the file only what is here decides anything; `mobileo_export/artifacts/mlx/folder.py` reads it alike.
package struct LanguageModelConfiguration: Sendable, Equatable {
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
  /// Which matrices are quantized; all else is float16.
  package let quantization: QuantizationRules

  /// The width of an attention head.
  package var headWidth: Int { hidden / heads }

  /// The file at `path`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: it cannot be read, a field is missing or of another
  ///   kind, or it is not a Qwen2 as this release computes it.
  package init(path: String) throws {
    try self.init(FieldReader(configurationAt: path))
  }

  init(_ fields: FieldReader) throws {
    hidden = try fields.size("hidden_size")
    inner = try fields.size("intermediate_size")
    layers = try fields.size("num_hidden_layers")
    heads = try fields.size("num_attention_heads")
    keyValueHeads = try fields.size("num_key_value_heads")
    vocabulary = try fields.size("vocab_size")
    positions = try fields.size("max_position_embeddings")
    featureWidth = try fields.size("mm_hidden_size")
    imageToken = try fields.size("image_token_index")
    epsilon = try fields.number("rms_norm_eps")
    ropeBase = try fields.number("rope_theta")
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
    quantization = try QuantizationRules(fields)
  }
}

extension FieldReader {
  /// `config.json` of an MLX folder.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: it cannot be read.
  init(configurationAt path: String) throws {
    do { self.init(try Files.json(path), at: path) } catch let problem as JSONReader.Problem {
      throw MobileOError(
        .bundle,
        "\(path): cannot be read as JSON (\(problem.reason)); export again or download it again")
    }
  }

  /// A size: a whole number above 0.
  func size(_ key: String) throws -> Int {
    let value = try integer(key)
    guard value > 0, value < 1 << 31 else { throw failure("has a \(key) of \(value)") }
    return value
  }

  /// A number above 0.
  func number(_ key: String) throws -> Double {
    let value = try double(key)
    guard value > 0, value < 1e30 else { throw failure("has a \(key) of \(value)") }
    return value
  }
}
