import MobileO

/// What a language model takes, whatever runs it.
package protocol LanguageModelBounds {
  /// V: ids that have a row in the embedding table.
  var vocabulary: Int { get }
  /// The id that image features replace.
  var imageToken: Int { get }
  /// M: how many features a picture has.
  var features: Int { get }
  /// F, the width of image features before the projector.
  var featureWidth: Int { get }
  /// The most positions that a prompt and its answer take together.
  var longest: Int { get }
}

/// One call of the language model, checked: ids, and features with the positions that they take.
package struct LanguageModelCall: Sendable, Equatable {
  /// [T].
  package let ids: [Int32]
  /// [M · F], or nil of a text.
  package let features: [Float]?
  /// The positions of ``ids`` that the features replace; empty of a text.
  package let span: Range<Int>
  /// N: how many positions it takes.
  package let length: Int

  /// The call with `inputIDs` [1, T] int32 and `imageFeatures` [1, M, F] float32, where `used` positions
  /// were read before.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: an array is not as the signature says, an id has no
  ///   row in the embedding table, the image tokens do not fit the features, or no room is left.
  package init(
    _ inputIDs: Tensor, imageFeatures: Tensor? = nil, after used: Int = 0,
    _ plan: some LanguageModelBounds
  ) throws {
    guard case .int32(let ids) = inputIDs.values, inputIDs.shape == [1, ids.count], !ids.isEmpty
    else {
      throw MobileOError(
        .session, "llm takes input_ids as int32 [1, T], not \(inputIDs.summary); verify the bundle")
    }
    let vocabulary = plan.vocabulary
    if let stranger = ids.first(where: { $0 < 0 || $0 >= vocabulary }) {
      throw MobileOError(
        .session,
        "input_ids holds \(stranger), the vocabulary has ids 0 to \(vocabulary - 1); verify the bundle"
      )
    }
    self.ids = ids
    if let imageFeatures {
      let shape = [1, plan.features, plan.featureWidth]
      guard case .float32(let features) = imageFeatures.values, imageFeatures.shape == shape else {
        throw MobileOError(
          .session,
          "llm takes image_features as float32 \(shape), not \(imageFeatures.summary); verify the "
            + "bundle")
      }
      span = try Splice.span(
        ids.map(Int.init), imageToken: plan.imageToken, tokens: plan.features)
      self.features = features
      length = ids.count - span.count + plan.features
    } else {
      (features, span, length) = (nil, 0..<0, ids.count)
    }
    if used + length > plan.longest {
      throw MobileOError(
        .session,
        "\(used + length) positions, the language model has \(plan.longest); shorten the prompt or stop "
          + "earlier")
    }
  }

  /// The call with the inputs of a ``Session``.
  ///
  /// - Throws: likewise, or one is missing or unknown.
  package init(_ inputs: [String: Tensor], _ plan: some LanguageModelBounds) throws {
    let names = ["input_ids", "image_features"]
    if let unknown = inputs.keys.filter({ !names.contains($0) }).min() {
      throw MobileOError(.session, "llm takes no \(unknown); verify the bundle")
    }
    guard let ids = inputs[names[0]] else {
      throw MobileOError(.session, "llm takes input_ids, which is missing; verify the bundle")
    }
    try self.init(ids, imageFeatures: inputs[names[1]], plan)
  }
}
