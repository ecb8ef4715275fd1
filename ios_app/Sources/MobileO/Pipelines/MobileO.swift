import Foundation

/// A bundle, opened: draws, edits, answers and chats on whatever runs its components.
///
///     let model = try await MobileO(bundle: url, engine: engine)
///     for try await event in model.generate("a red circle", seed: 7) { … }
///     let answer = try await model.ask(photo, "what color is it?").text
///
/// A value: copy it freely. Components are loaded when a pipeline comes to them and closed behind it.
/// Every pipeline can be cancelled between any two calls of a component, by its task.
public struct MobileO: Sendable {
  /// What the bundle says of itself.
  public let manifest: Manifest
  /// Its tokenizer.
  public let tokenizer: Tokenizer
  /// Makes the prompts.
  public let prompter: Prompter
  /// Runs the components.
  public let engine: any Engine

  /// Opens the bundle in a folder; hashes nothing (see ``Seal/verify(_:_:)``).
  ///
  /// - Throws: ``MobileOError`` of kind `bundle` or `tokenizer`: it cannot be read, asks for what this
  ///   release does not do, or has no language model.
  public init(bundle: URL, engine: any Engine) async throws {
    try self.init(folder: bundle.path, manifest: Manifest(folder: bundle.path), engine: engine)
  }

  /// The same of a manifest that was read before.
  init(folder: String, manifest: Manifest, engine: any Engine) throws {
    self.manifest = manifest
    self.engine = engine
    if let problem = manifest.recipe.problem {
      throw MobileOError(.bundle, "\(folder): \(problem); use the release that made it")
    }
    let path = try manifest.component("llm").artifacts.first?.path ?? "llm"
    try Links.check(folder + "/" + path)
    tokenizer = try Tokenizer(folder: folder + "/" + path)
    prompter = Prompter(tokenizer, manifest.recipe)
  }

  /// The same bundle, read already, on another engine.
  package func on(_ engine: any Engine) -> MobileO { MobileO(self, engine) }

  private init(_ other: MobileO, _ engine: any Engine) {
    (manifest, tokenizer, prompter) = (other.manifest, other.tokenizer, other.prompter)
    self.engine = engine
  }

  /// The recipe that all pipelines follow.
  public var recipe: Recipe { manifest.recipe }

  /// How many tokens, image features included, can condition a picture.
  public var longestConditioning: Int {
    var bounds = [longestText]
    for (name, input, axis) in [
      ("mcp", "stacked_hidden_states", 2), ("dit", "encoder_hidden_states", 1),
    ] {
      for signature in manifest.components[name]?.inputs ?? []
      where signature.name == input && signature.shape.count > axis {
        if case .varying(_, _, let max, _) = signature.shape[axis] { bounds.append(max) }
      }
    }
    return bounds.min() ?? 0
  }

  /// How many tokens the language model has positions for.
  public var longestText: Int {
    manifest.components["llm"]?.inputs.first?.shape.last?.largest ?? 0
  }

  /// How many rows a component takes in one call.
  func rows(of component: String) -> Int {
    manifest.components[component]?.inputs.first?.shape.first?.largest ?? 1
  }

  /// Fails unless all of these components are there.
  func require(_ names: [String]) throws {
    let missing = names.filter { manifest.components[$0] == nil }
    if !missing.isEmpty {
      throw MobileOError(
        .bundle,
        "the bundle has no \(missing.joined(separator: " and no ")); export it again without --only"
      )
    }
  }

  /// A component for the time of `body`; every call is checked against its signature.
  func with<Result: Sendable>(
    _ component: String,
    _ body: (_ run: ([String: Tensor]) async throws -> [String: Tensor]) async throws -> Result
  ) async throws -> Result {
    try Task.checkCancellation()
    let check = CallCheck(component: component, signature: try manifest.component(component))
    let session = try await engine.session(component)
    return try await closing(session) {
      try await body { inputs in
        try Task.checkCancellation()
        try check.inputs(inputs)
        let outputs = try await session.run(inputs)
        try check.outputs(outputs)
        return outputs
      }
    }
  }

  /// The language model for the time of `body`.
  func withLanguageModel<Result: Sendable>(
    _ body: (any LanguageModelSession, CallCheck) async throws -> Result
  ) async throws -> Result {
    try Task.checkCancellation()
    let check = CallCheck(component: "llm", signature: try manifest.component("llm"))
    let session = try await engine.languageModel()
    return try await closing(session) { try await body(session, check) }
  }

  private func closing<Result>(
    _ session: any Session, _ body: () async throws -> Result
  ) async throws -> Result {
    do {
      let result = try await body()
      await session.close()
      return result
    } catch {
      await session.close()
      throw error
    }
  }

  /// What executes each component of a task, by its name: of results, which say so.
  public func runtimes(of task: PipelineTask) async throws -> [String: String] {
    var found: [String: String] = [:]
    for name in task.components { found[name] = try await engine.runtime(of: name).name }
    return found
  }

  /// Features [1, M, F] of a photograph.
  func see(_ photo: Picture) async throws -> Tensor {
    let images = recipe.preprocessing.prepare(photo)
    return try await with("vision_encoder") { run in
      try output("image_features", of: try await run(["images": images]), "vision_encoder")
    }
  }
}

/// An output by name, of a call that was checked.
package func output(
  _ name: String, of outputs: [String: Tensor], _ component: String
) throws -> Tensor {
  guard let found = outputs[name] else {
    throw MobileOError(.session, "\(component) gave no \(name); verify the bundle")
  }
  return found
}

/// A stream of what `body` emits; ending the stream, or the task that reads it, cancels `body`.
package func events<Event: Sendable>(
  _ body: @escaping @Sendable (@escaping @Sendable (Event) -> Void) async throws -> Void
) -> AsyncThrowingStream<Event, any Error> {
  AsyncThrowingStream { continuation in
    let task = Task {
      do {
        try await body { continuation.yield($0) }
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }
    continuation.onTermination = { _ in task.cancel() }
  }
}
