import MobileO

/// What the language model of a bundle is made of, read of its configuration and of the header of its
/// weights alone.
///
/// A value: it needs no MLX. Everything that the folder holds is accounted for, see ``WeightFile``.
package struct LanguageModelPlan: Sendable, Equatable {
  /// What the model computes with.
  package let configuration: LanguageModelConfiguration
  /// Its tensors, by names such as `language_model.model.norm.weight`.
  package let weights: WeightFile
  /// K: how many of the last hidden states a bundle's projector takes.
  package let states: Int
  /// M: how many features a picture has.
  package let features: Int
  /// The most positions that a prompt and its answer take together.
  package let longest: Int

  /// Reads the MLX folder of a bundle, its artifact of kind `mlx`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: the bundle has no such artifact, a file is missing or
  ///   damaged, or the files contradict each other.
  package init(folder: String, manifest: Manifest) throws {
    let component = try manifest.component("llm")
    guard component.artifacts.contains(where: { $0.kind == "mlx" }) else {
      throw MobileOError(
        .bundle,
        "\(folder): its bundle has no language model for MLX; export it with --target ios or mlx")
    }
    try Links.check(folder)
    let file = FieldReader(.null, at: folder + "/config.json")
    configuration = try LanguageModelConfiguration(path: folder + "/config.json")
    let path = folder + "/model.safetensors"
    let stored = try Safetensors(path: path).entries
    // Says of a file with a false count what is wrong before a list of that length is made.
    if configuration.layers > stored.count {
      throw file.failure("says \(configuration.layers) layers, there are \(stored.count) tensors")
    }
    weights = try WeightFile(
      path: path, stored, shapes: Self.shapes(configuration), configuration.quantization,
      plain: "F16", file)
    try Self.check(configuration, manifest, file)
    (states, features, longest) = try Self.signature(component, configuration, folder)
  }

  /// The dimensions are those that the manifest has sealed.
  private static func check(
    _ configuration: LanguageModelConfiguration, _ manifest: Manifest, _ file: FieldReader
  ) throws {
    let sealed = manifest.content["model"]?["llm"]
    let claims: [(String, JSONValue)] = [
      ("hidden_size", .integer(configuration.hidden)),
      ("intermediate_size", .integer(configuration.inner)),
      ("num_hidden_layers", .integer(configuration.layers)),
      ("num_attention_heads", .integer(configuration.heads)),
      ("num_key_value_heads", .integer(configuration.keyValueHeads)),
      ("vocab_size", .integer(configuration.vocabulary)),
      ("max_position_embeddings", .integer(configuration.positions)),
      ("tie_word_embeddings", .bool(configuration.isTied)),
      ("rms_norm_eps", .number(configuration.epsilon)),
      ("rope_theta", .number(configuration.ropeBase)),
    ]
    for (key, claim) in claims {
      let found = sealed?[key]
      if claim != found, claim.double == nil || claim.double != found?.double {
        throw file.failure("says \(key) \(claim.line), the manifest \(found?.line ?? "nothing")")
      }
    }
    let token = manifest.recipe.text.imageToken
    if configuration.imageToken != token {
      throw file.failure(
        "says image_token_index \(configuration.imageToken), the manifest's recipe \(token)")
    }
  }

  /// K, M, and the longest text of the manifest's signature.
  private static func signature(
    _ component: Manifest.Component, _ configuration: LanguageModelConfiguration, _ folder: String
  ) throws -> (states: Int, features: Int, longest: Int) {
    let (inputs, outputs) = (component.inputs, component.outputs)
    guard inputs.map(\.name) == ["input_ids", "image_features"],
      outputs.map(\.name) == ["stacked_hidden_states", "logits"],
      inputs[0].shape.count == 2, inputs[1].shape.count == 3, outputs[0].shape.count == 4,
      case .fixed(let states) = outputs[0].shape[1], 0 < states, states <= configuration.layers,
      case .fixed(let features) = inputs[1].shape[1]
    else {
      throw MobileOError(
        .bundle,
        "\(folder): the signature of the llm in \(Manifest.fileName) is not one of a language model "
          + "with \(configuration.layers) layers; export again")
    }
    if inputs[1].shape[2] != .fixed(configuration.featureWidth) {
      throw MobileOError(
        .bundle,
        "\(folder): says image features of \(configuration.featureWidth), \(Manifest.fileName) another "
          + "width; export again")
    }
    return (states, features, inputs[0].shape[1].largest)
  }
}

extension LanguageModelPlan: LanguageModelBounds {
  package var vocabulary: Int { configuration.vocabulary }
  package var imageToken: Int { configuration.imageToken }
  package var featureWidth: Int { configuration.featureWidth }
}

extension LanguageModelPlan {
  /// Names of the tables and modules, as Apple's FastVLM has them.
  package enum Name {
    package static let embeddings = "language_model.model.embed_tokens.weight"
    package static let norm = "language_model.model.norm.weight"
    package static let head = "language_model.lm_head.weight"
    package static let projector = (
      "multi_modal_projector.linear_0.weight", "multi_modal_projector.linear_2.weight"
    )

    /// What the names of a layer's parameters begin with.
    package static func layer(_ index: Int) -> String { "language_model.model.layers.\(index)." }
  }

  /// Every parameter with its shape: Qwen2's, and the projector's.
  private static func shapes(_ sizes: LanguageModelConfiguration) -> [String: [Int]] {
    let (hidden, inner) = (sizes.hidden, sizes.inner)
    let keyValue = sizes.keyValueHeads * sizes.headWidth
    var shapes = [
      Name.embeddings: [sizes.vocabulary, hidden], Name.norm: [hidden],
      Name.projector.0: [hidden, sizes.featureWidth], WeightFile.bias(Name.projector.0): [hidden],
      Name.projector.1: [hidden, hidden], WeightFile.bias(Name.projector.1): [hidden],
    ]
    if !sizes.isTied { shapes[Name.head] = [sizes.vocabulary, hidden] }
    for index in 0..<sizes.layers {
      let layer = Name.layer(index)
      for (name, shape) in [
        ("input_layernorm.weight", [hidden]), ("post_attention_layernorm.weight", [hidden]),
        ("self_attn.q_proj.weight", [hidden, hidden]), ("self_attn.q_proj.bias", [hidden]),
        ("self_attn.k_proj.weight", [keyValue, hidden]), ("self_attn.k_proj.bias", [keyValue]),
        ("self_attn.v_proj.weight", [keyValue, hidden]), ("self_attn.v_proj.bias", [keyValue]),
        ("self_attn.o_proj.weight", [hidden, hidden]), ("mlp.gate_proj.weight", [inner, hidden]),
        ("mlp.up_proj.weight", [inner, hidden]), ("mlp.down_proj.weight", [hidden, inner]),
      ] { shapes[layer + name] = shape }
    }
    return shapes
  }
}
