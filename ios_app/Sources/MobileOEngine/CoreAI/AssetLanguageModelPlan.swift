import MobileO

/// What the language model of a bundle for Core AI is made of, by the manifest alone: an asset of three
/// functions whose signatures docs/jetson-artifacts.md states.
package struct AssetLanguageModelPlan: LanguageModelBounds, Sendable, Equatable {
  /// What the functions of assets are called.
  package enum Name {
    /// Of a component; of the language model what reads embeddings.
    package static let main = "main"
    /// Token ids [1, T] to rows of the table [1, T, d].
    package static let embed = "embed"
    /// Image features [1, M, F] to embeddings [1, M, d].
    package static let projector = "projector"
  }

  /// Where the asset lies in the bundle.
  package let asset: String
  /// The functions, in the order in which a call runs them.
  package let functions: [Manifest.Graph]
  package let vocabulary: Int
  package let imageToken: Int
  package let features: Int
  package let featureWidth: Int
  package let longest: Int
  /// K: how many of the last hidden states a bundle's projector takes.
  package let states: Int
  /// d, the width of the hidden states.
  package let width: Int
  /// Decoder layers.
  package let layers: Int
  /// Heads of keys and values.
  package let heads: Int
  /// D, the width of a head.
  package let headWidth: Int

  /// The language model of a manifest, whose artifact of kind `aimodel` is `artifact`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: a function is missing, or its signature is none of a
  ///   decoder with a cache.
  package init(_ manifest: Manifest, _ artifact: Manifest.Artifact) throws {
    let component = try manifest.component("llm")
    let functions = try [Name.embed, Name.projector, Name.main].map { name in
      if let found = artifact.graphs.first(where: { $0.name == name }) { return found }
      throw Self.failure("lists no function \(name)")
    }
    let (main, asset) = (functions[2], functions[2].path)
    guard functions.allSatisfy({ $0.path == asset }), asset.hasPrefix(artifact.path + "/") else {
      throw Self.failure("has functions outside of its asset")
    }
    guard
      main.inputs.map(\.name) == [
        "hidden_states", "position_ids", "attention_mask", "past_mask", "past_keys", "past_values",
      ], main.outputs.map(\.name) == ["keys", "values", "stacked_hidden_states", "logits"],
      main.inputs[0].shape.count == 3, case .fixed(let width) = main.inputs[0].shape[2],
      main.inputs[4].shape.count == 5, main.inputs[4].shape == main.inputs[5].shape,
      case .fixed(let layers) = main.inputs[4].shape[0],
      case .fixed(let heads) = main.inputs[4].shape[2],
      case .varying(_, _, let context, _) = main.inputs[4].shape[3],
      case .fixed(let headWidth) = main.inputs[4].shape[4]
    else { throw Self.failure("has no cache in and out of function \(Name.main)") }
    guard component.inputs.map(\.name) == ["input_ids", "image_features"],
      component.inputs[0].shape.count == 2, component.inputs[1].shape.count == 3,
      case .fixed(let features) = component.inputs[1].shape[1],
      case .fixed(let featureWidth) = component.inputs[1].shape[2],
      component.outputs.map(\.name) == ["stacked_hidden_states", "logits"],
      component.outputs[0].shape.count == 4, component.outputs[1].shape.count == 2,
      case .fixed(let states) = component.outputs[0].shape[1],
      case .fixed(let vocabulary) = component.outputs[1].shape[1]
    else { throw Self.failure("has no signature of a language model") }
    (self.functions, self.asset) = (functions, asset)
    (self.vocabulary, self.features, self.featureWidth) = (vocabulary, features, featureWidth)
    (self.states, self.width, self.layers) = (states, width, layers)
    (self.heads, self.headWidth) = (heads, headWidth)
    imageToken = manifest.recipe.text.imageToken
    longest = min(context, component.inputs[0].shape[1].largest)
  }

  private static func failure(_ problem: String) -> MobileOError {
    MobileOError(
      .bundle, "\(Manifest.fileName): llm \(problem); export again or download it again")
  }
}
