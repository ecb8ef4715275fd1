import Foundation

/// How to draw: steps of the scheduler, guidance, and the seed of the noise.
public struct Drawing: Sendable, Equatable {
  /// The strongest guidance.
  public static let mostGuidance = 30.0

  /// 1 to 500.
  public let steps: Int
  /// g of u + g·(c − u); 1 runs the conditional branch only.
  public let guidance: Double
  /// Of the noise.
  public let seed: UInt64

  /// Whether both branches run.
  var isGuided: Bool { guidance != 1 }

  /// The recipe's numbers where none are given.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: one of them is out of range.
  public init(
    _ recipe: Recipe, steps: Int? = nil, guidance: Double? = nil, seed: UInt64 = 0
  ) throws {
    self.steps = steps ?? recipe.sampling.steps
    self.guidance = guidance ?? recipe.sampling.guidance
    self.seed = seed
    guard (1...Schedule.mostSteps).contains(self.steps) else {
      throw MobileOError(.usage, "\(self.steps) steps: choose 1 to \(Schedule.mostSteps)")
    }
    guard self.guidance >= 1, self.guidance <= Self.mostGuidance else {
      throw MobileOError(
        .usage, "guidance \(self.guidance): choose 1 (none) to \(Int(Self.mostGuidance))")
    }
  }
}

/// A drawn picture, and what it was made of.
public struct DrawnPicture: Sendable, Equatable {
  /// What was drawn.
  public let picture: Picture
  /// The decoder's own values, [1, 3, H, W] float32, about −1 to 1.
  public let image: Tensor
  /// How it was drawn.
  public let drawing: Drawing
  /// What the language model was given.
  public let prompt: Prompt
  /// What executed each component that took part.
  public let runtimes: [String: String]

  /// What its file says of itself: enough to draw it again with the same bundle.
  public func texts(prompt: String, bundle: Manifest) -> [(key: String, text: String)] {
    let recipe = bundle.content["recipe"]?.text ?? ""
    return [
      ("Software", "MobileO \(Release.version)"), ("prompt", prompt),
      ("steps", String(drawing.steps)),
      ("guidance", shortest(drawing.guidance)), ("seed", String(drawing.seed)),
      ("recipe", recipe), ("bundle", bundle.identity), ("runtimes", runtimes.json.line),
    ]
  }
}

extension [String: String] {
  /// What executed each component, by its name, as records and reports have it.
  package var json: JSONValue {
    .object(JSONObject(sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
  }
}

/// `1.5` and `2`, as Python's `:g` writes them.
package func shortest(_ value: Double) -> String { String(format: "%g", value) }

/// What happens while a picture is drawn, in order; ``picture(_:)`` is the last.
public enum DrawingEvent: Sendable, Equatable {
  /// A part of the work begins.
  public enum Stage: String, Sendable {
    case looking, reading, conditioning, drawing, decoding
  }

  case stage(Stage)
  /// A step is done, counted from 1. `estimate` is what the denoised latent is taken for, of the
  /// latent's shape: what a preview shows.
  case step(Int, of: Int, estimate: Tensor)
  case picture(DrawnPicture)
}

extension MobileO {
  /// Draws `caption`.
  ///
  /// The stream fails with ``MobileOError``; if the task that reads it is cancelled it ends without a
  /// picture.
  public func generate(
    _ caption: String, steps: Int? = nil, guidance: Double? = nil, seed: UInt64 = 0
  ) -> AsyncThrowingStream<DrawingEvent, any Error> {
    events { emit in
      let drawing = try Drawing(recipe, steps: steps, guidance: guidance, seed: seed)
      let task = PipelineTask.draw(guided: drawing.isGuided)
      try require(task.components)
      let prompt = try prompter.generate(caption, limit: longestConditioning)
      try await engine.prepare(for: task)
      emit(.picture(try await draw(prompt, nil, drawing, runtimes(of: task), emit)))
    }
  }

  /// Draws `photo` anew, changed by `instruction`.
  ///
  /// The picture reaches the transformer as features among the prompt's hidden states only; the latent
  /// starts from noise as it does for ``generate(_:steps:guidance:seed:)``.
  public func edit(
    _ photo: Picture, _ instruction: String, steps: Int? = nil, guidance: Double? = nil,
    seed: UInt64 = 0
  ) -> AsyncThrowingStream<DrawingEvent, any Error> {
    events { emit in
      let drawing = try Drawing(recipe, steps: steps, guidance: guidance, seed: seed)
      let task = PipelineTask.edit(guided: drawing.isGuided)
      try require(task.components)
      let prompt = try prompter.edit(
        instruction, limit: longestConditioning, imageTokens: recipe.preprocessing.tokens)
      try await engine.prepare(for: task)
      emit(.stage(.looking))
      let features = try await see(photo)
      emit(.picture(try await draw(prompt, features, drawing, runtimes(of: task), emit)))
    }
  }

  private func draw(
    _ prompt: Prompt, _ features: Tensor?, _ drawing: Drawing, _ runtimes: [String: String],
    _ emit: @Sendable (DrawingEvent) -> Void
  ) async throws -> DrawnPicture {
    emit(.stage(.reading))
    let states = try await read(prompt, features)
    emit(.stage(.conditioning))
    let conditioning = try await condition(states, guided: drawing.isGuided)
    emit(.stage(.drawing))
    let latent = try await denoise(conditioning, drawing, emit)
    emit(.stage(.decoding))
    let image = try await decode(latent)
    return DrawnPicture(
      picture: try Picture(image: image), image: image, drawing: drawing, prompt: prompt,
      runtimes: runtimes)
  }

  /// Hidden states [1, K, N, d] of a prompt.
  private func read(_ prompt: Prompt, _ features: Tensor?) async throws -> Tensor {
    var inputs = ["input_ids": prompt.tensor]
    inputs["image_features"] = features
    let given = inputs
    return try await withLanguageModel { session, check in
      try check.inputs(given)
      let outputs = try await session.run(given)
      try check.outputs(outputs)
      return try output("stacked_hidden_states", of: outputs, "llm")
    }
  }

  /// Conditioning [1, N, C] of each branch, the conditional first: zero hidden states go through the
  /// projector too.
  private func condition(_ states: Tensor, guided: Bool) async throws -> [Tensor] {
    let zeros = Tensor(shape: states.shape, .float32([Float](repeating: 0, count: states.count)))
    return try await with("mcp") { run in
      var found: [Tensor] = []
      for states in guided ? [states, zeros] : [states] {
        let outputs = try await run(["stacked_hidden_states": states])
        found.append(try output("conditioning", of: outputs, "mcp"))
      }
      return found
    }
  }

  /// The final latent, shaped as the recipe says, before it is divided by the scaling factor.
  private func denoise(
    _ conditioning: [Tensor], _ drawing: Drawing, _ emit: @Sendable (DrawingEvent) -> Void
  ) async throws -> Tensor {
    let shape = recipe.latent.shape
    let schedule = try Schedule(recipe.sampling, steps: drawing.steps)
    let masks = conditioning.map { states in
      let sizes = Array(states.shape.prefix(2))
      let ones = [Float](repeating: 1, count: sizes.reduce(1, *))
      return Tensor(shape: sizes, .float32(ones))
    }
    let together = conditioning.count <= rows(of: "dit")
    return try await with("dit") { run in
      var solver = Solver(schedule)
      var latent = Noise.normal(seed: drawing.seed, count: shape.reduce(1, *))
      for (step, timestep) in schedule.timesteps.enumerated() {
        let calls = zip(conditioning, masks).map { states, mask in
          [
            "latent": Tensor(shape: shape, .float32(latent)),
            "timestep": Tensor(shape: [1], .float32([Float(timestep)])),
            "encoder_hidden_states": states, "encoder_attention_mask": mask,
          ]
        }
        let velocities = try await velocities(calls, together: together, run)
        let velocity =
          velocities.count == 1
          ? velocities[0]
          : guided(
            conditional: velocities[0], unconditional: velocities[1],
            guidance: Float(drawing.guidance))
        latent = try solver.step(velocity: velocity, latent: latent)
        let estimate = Tensor(shape: shape, .float32(solver.estimate ?? latent))
        emit(.step(step + 1, of: drawing.steps, estimate: estimate))
      }
      return Tensor(shape: shape, .float32(latent))
    }
  }

  /// The velocity of each branch: in one call of all rows, which reads the weights once, or in a call for
  /// each.
  private func velocities(
    _ calls: [[String: Tensor]], together: Bool,
    _ run: ([String: Tensor]) async throws -> [String: Tensor]
  ) async throws -> [[Float]] {
    guard together, calls.count > 1 else {
      var found: [[Float]] = []
      for call in calls {
        found.append(try await output("velocity", of: run(call), "dit").floats("velocity"))
      }
      return found
    }
    var rows: [String: Tensor] = [:]
    for name in calls[0].keys { rows[name] = try .joined(calls.compactMap { $0[name] }, name) }
    let velocity = try await output("velocity", of: run(rows), "dit")
    return try calls.indices.map { try velocity.row($0).floats("velocity") }
  }

  /// The image [1, 3, H, W] of a latent, which is divided by the scaling factor first.
  func decode(_ latent: Tensor) async throws -> Tensor {
    let factor = Float(recipe.latent.scalingFactor)
    let scaled = try latent.floats("latent").map { $0 / factor }
    return try await with("vae_decoder") { run in
      let outputs = try await run(["latent": Tensor(shape: latent.shape, .float32(scaled))])
      return try output("image", of: outputs, "vae_decoder")
    }
  }
}
