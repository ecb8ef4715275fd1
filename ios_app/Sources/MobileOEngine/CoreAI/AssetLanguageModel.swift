import MobileO

/// The language model of a bundle on Core AI: rows of its table, its image projector, and its decoder,
/// which is given the keys and values of what was read and gives those of what it reads.
actor AssetLanguageModel: LanguageModelSession {
  private let plan: AssetLanguageModelPlan
  private let units: CoreAIUnits
  private var model: (any CoreAIModel)?
  private var past: AssetCache?
  private let turns = Turns()

  init(_ plan: AssetLanguageModelPlan, _ model: any CoreAIModel, units: CoreAIUnits) {
    (self.plan, self.model, self.units) = (plan, model, units)
  }

  /// `stacked_hidden_states` [1, K, N, d] and `logits` [1, V] float32 of a prompt, which is not kept.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: the inputs do not fit the signature, the image tokens
  ///   do not fit the features, or Core AI failed.
  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try await inTurn {
      let call = try LanguageModelCall(inputs, plan)
      let read = try await read(call, behind: AssetCache(plan))
      return ["stacked_hidden_states": read.states, "logits": read.logits]
    }
  }

  /// Forgets everything and reads a prompt: the logits [1, V] float32 of its last position.
  ///
  /// - Throws: as ``run(_:)``; nothing is kept then.
  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    try await inTurn {
      past = nil
      let call = try LanguageModelCall(inputIDs, imageFeatures: imageFeatures, plan)
      let read = try await read(call, behind: AssetCache(plan))
      keep(read.cache)
      return read.logits
    }
  }

  /// Goes on with one token: the logits [1, V] float32 behind it.
  ///
  /// - Throws: as ``extend(_:)``.
  func step(_ token: Int) async throws -> Tensor {
    guard let id = Int32(exactly: token) else {
      throw MobileOError(.session, "input_ids holds \(token), which is no id; verify the bundle")
    }
    return try await extend(Tensor(shape: [1, 1], .int32([id])))
  }

  /// Goes on with several tokens [1, T] int32 in one pass: the logits [1, V] float32 behind the last.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: nothing was read yet, no position is left, an id is out
  ///   of range, or Core AI failed; what was read stays.
  func extend(_ inputIDs: Tensor) async throws -> Tensor {
    try await inTurn {
      _ = try opened()
      guard let past else {
        throw MobileOError(
          .session, "the language model has read nothing yet; prefill a prompt first")
      }
      let call = try LanguageModelCall(inputIDs, after: past.used, plan)
      let read = try await read(call, behind: past)
      keep(read.cache)
      return read.logits
    }
  }

  /// Lets go of the asset and of what was read: memory comes back when the call in flight has ended.
  func close() async { (model, past) = (nil, nil) }

  /// Unless it was closed meanwhile.
  private func keep(_ cache: AssetCache) { if model != nil { past = cache } }

  /// One call at a time: an actor alone would let the next begin while Core AI computes.
  private func inTurn<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
    try await turns.begin()
    do {
      let result = try await body()
      await turns.end()
      return result
    } catch {
      await turns.end()
      throw error
    }
  }

  /// Reads on behind a cache; what was read, with what the decoder made of it.
  private func read(
    _ call: LanguageModelCall, behind past: AssetCache
  ) async throws -> (states: Tensor, logits: Tensor, cache: AssetCache) {
    let length = call.length
    let given = past.inputs(try await embeddings(call), length: length)
    let made = try await run(AssetLanguageModelPlan.Name.main, given)
    let new = [plan.layers, 1, plan.heads, length, plan.headWidth]
    let states = [1, plan.states, length, plan.width]
    var cache = past
    cache.keep(
      try floats("keys", new, of: made), try floats("values", new, of: made), length: length)
    return (
      Tensor(shape: states, .float32(try floats("stacked_hidden_states", states, of: made))),
      Tensor(
        shape: [1, plan.vocabulary],
        .float32(try floats("logits", [1, plan.vocabulary], of: made))),
      cache
    )
  }

  /// Rows of the table, [T · d], with the projected image features in their place.
  private func embeddings(_ call: LanguageModelCall) async throws -> [Float] {
    typealias Name = AssetLanguageModelPlan.Name
    let ids = Tensor(shape: [1, call.ids.count], .int32(call.ids))
    let rows = try floats(
      "embeddings", [1, call.ids.count, plan.width],
      of: try await run(Name.embed, ["input_ids": ids]))
    guard let features = call.features else { return rows }
    let shape = [1, plan.features, plan.featureWidth]
    let image = try floats(
      "image_embeddings", [1, plan.features, plan.width],
      of: try await run(
        Name.projector, ["image_features": Tensor(shape: shape, .float32(features))]))
    return rows[..<(call.span.lowerBound * plan.width)] + image
      + rows[(call.span.upperBound * plan.width)...]
  }

  private func run(
    _ function: String, _ inputs: [String: Tensor]
  ) async throws -> [String: Tensor] {
    do {
      return try await opened().run(function, inputs)
    } catch let error where error is MobileOError || error is CancellationError {
      throw error
    } catch {
      throw ComponentSession.failure("llm", on: "Core AI", units: units.rawValue, error)
    }
  }

  private func floats(
    _ name: String, _ shape: [Int], of made: [String: Tensor]
  ) throws -> [Float] {
    let found = try output(name, of: made, "llm")
    guard found.shape == shape else {
      throw MobileOError(
        .session,
        "llm gave \(name) as \(found.summary), not \(shape); verify the bundle, or export it again")
    }
    return try found.floats(name)
  }

  private func opened() throws -> any CoreAIModel {
    if let model { return model }
    throw MobileOError(.session, "the language model is closed; load it again")
  }
}
