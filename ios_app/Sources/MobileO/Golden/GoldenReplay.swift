import Foundation

/// Replays a bundle's golden trace with no model: our own code on every recorded call that needs no
/// weights, the small parts, and each pipeline from its texts to its end over ``ReplayEngine``.
///
/// What the components themselves compute is not asserted here: that takes an engine.
public struct GoldenReplay: Sendable {
  /// One thing that was compared; `problem` when it is not as recorded.
  public struct Check: Sendable, Equatable {
    /// Such as `edit, step 2, solver` or `tokenizer 7`.
    public let name: String
    /// Nil when it is as recorded.
    public let problem: String?
  }

  /// In the order of the trace: calls, answers, parts, then pipelines.
  public let checks: [Check]

  /// Every check is within its gate.
  public var holds: Bool { checks.allSatisfy { $0.problem == nil } }

  /// One line a failed check.
  public var failures: [String] {
    checks.compactMap { check in check.problem.map { "\(check.name): \($0)" } }
  }

  /// Stages whose recorded outputs are taken as they are.
  public static let notAsserted = [
    "dit", "llm", "llm_step", "mcp", "vae_decoder", "vision_encoder",
  ]

  /// Replays the trace of the bundle in `folder`, whose seal holds.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle` or `tokenizer`: it holds no trace, or cannot be read;
  ///   `CancellationError`.
  public init(folder: String, manifest: Manifest) async throws {
    let trace = try GoldenTrace(folder: folder, manifest: manifest)
    try await self.init(folder: folder, manifest: manifest, trace: trace)
  }

  /// The same of a trace that was opened before.
  init(folder: String, manifest: Manifest, trace: GoldenTrace) async throws {
    let first = try Self.check(folder, manifest, trace)
    let model = try MobileO(
      folder: folder, manifest: manifest, engine: ReplayEngine(trace, run: first.name))
    let artifact = manifest.components["llm"]?.artifacts.first
    let llm = folder + "/" + (artifact?.path ?? "llm")
    var checks: [Check] = []
    for run in trace.runs {
      var stages = StageReplay(model: model, trace: trace, run: run, folder: llm)
      for call in run.calls where GoldenStage.all[call.stage]?.component == nil {
        try Task.checkCancellation()
        // An asset's projector can be read by its runtime only, in the language model's calls.
        if call.stage == "projector", artifact?.kind == "aimodel" { continue }
        let name = "\(call.name(run)), \(call.stage)"
        checks.append(Check(name: name, problem: try Self.reason { try stages.problem(call) }))
      }
    }
    for run in trace.runs {
      guard let answer = run.answer else { continue }
      let same = Exact(model.tokenizer.decode(answer.ids)) == Exact(answer.text)
      checks.append(
        Check(name: "\(run.name), answer", problem: same ? nil : "its text is another"))
    }
    for part in PartReplay(model: model).cases(trace.parts) {
      try Task.checkCancellation()
      checks.append(Check(name: part.name, problem: try Self.reason { try part.problem() }))
    }
    for run in trace.runs {
      try Task.checkCancellation()
      let replay = PipelineReplay(folder: folder, manifest: manifest, trace: trace, run: run)
      checks.append(
        Check(
          name: "\(run.name), pipeline",
          problem: try await Self.reason { try await replay.problem() }))
    }
    self.checks = checks
  }

  /// The first run of a trace that has one, and of a bundle that has all components.
  @discardableResult
  static func check(
    _ folder: String, _ manifest: Manifest, _ trace: GoldenTrace
  ) throws -> GoldenRun {
    for name in ["vision_encoder", "mcp", "dit", "vae_decoder", "llm"]
    where manifest.components[name] == nil {
      throw MobileOError(
        .bundle, "\(folder): has a golden trace but no \(name); export it again")
    }
    guard let first = trace.runs.first else {
      throw MobileOError(.bundle, "\(folder): its golden trace is empty; record it again")
    }
    return first
  }

  /// What an error that a recorded value caused says; cancellation goes on.
  private static func reason(_ body: () throws -> String?) throws -> String? {
    do { return try body() } catch let error as MobileOError { return error.description }
  }

  private static func reason(_ body: () async throws -> String?) async throws -> String? {
    do { return try await body() } catch let error as MobileOError { return error.description }
  }
}

/// Runs the stages of one run that need no weights, on recorded inputs, in order.
struct StageReplay {
  let model: MobileO
  let trace: GoldenTrace
  let run: GoldenRun
  let folder: String
  private var solver: Solver?

  init(model: MobileO, trace: GoldenTrace, run: GoldenRun, folder: String) {
    (self.model, self.trace, self.run, self.folder) = (model, trace, run, folder)
  }

  /// What our own code makes of a call's recorded inputs, judged by the gate of its output.
  mutating func problem(_ call: GoldenCall) throws -> String? {
    let inputs = call.inputs.mapValues { trace.array($0) }
    let values = call.values.compactMapValues(\.self)
    let found = try output(call.stage, inputs, values)
    for (name, output) in call.outputs {
      guard let gate = trace.gates[output.gate] else { return "\(name): its gate is not there" }
      let part = trace.entries[output.entry].part(of: found)
      if let problem = try gate.problem(reference: trace.array(output.entry), found: part) {
        return "\(name): \(problem)"
      }
    }
    return nil
  }

  private mutating func output(
    _ stage: String, _ inputs: [String: Tensor], _ values: [String: Double]
  ) throws -> Tensor {
    switch stage {
    case "tokens": return try prompt().tensor
    case "preprocess":
      return model.recipe.preprocessing.prepare(try Self.picture(input("pixels", inputs)))
    case "projector":
      let features = try input("image_features", inputs)
      return try Projector(folder: folder, features: features.shape.last ?? 0).project(features)
    case "noise":
      let shape = model.recipe.latent.shape
      let seed = run.drawing?.seed ?? 0
      return Tensor(shape: shape, .float32(Noise.normal(seed: seed, count: shape.reduce(1, *))))
    case "guidance":
      let (c, u) = (try input("conditional", inputs), try input("unconditional", inputs))
      let guidance = Float(try number("guidance", values))
      return Tensor(
        shape: c.shape,
        .float32(
          try guided(
            conditional: c.floats("conditional"), unconditional: u.floats("unconditional"),
            guidance: guidance)))
    case "solver":
      let latent = try input("latent", inputs)
      var solver =
        try self.solver
        ?? Solver(Schedule(model.recipe.sampling, steps: run.drawing?.steps ?? 0))
      let next = try solver.step(
        velocity: input("velocity", inputs).floats("velocity"), latent: latent.floats("latent"))
      self.solver = solver
      return Tensor(shape: latent.shape, .float32(next))
    case "unscale":
      let latent = try input("latent", inputs)
      let factor = Float(try number("scaling_factor", values))
      return Tensor(shape: latent.shape, .float32(try latent.floats("latent").map { $0 / factor }))
    case "pixels": return try Picture(image: input("image", inputs)).pixels
    case "sample":
      let logits = try input("logits", inputs).floats("logits")
      let token = try TokenSampling.choose(
        logits, temperature: number("temperature", values), topP: number("top_p", values)
      ) { values["uniform"] ?? 0 }
      return Tensor(shape: [1], .int32([Int32(token)]))
    default: throw MobileOError(.bundle, "\(stage) is a stage that nobody knows; record it again")
    }
  }

  /// The prompt of the run, made by our tokenizer.
  private func prompt() throws -> Prompt {
    let tokens = model.recipe.preprocessing.tokens
    let text = run.texts.first ?? ""
    switch run.pipeline {
    case "generate": return try model.prompter.generate(text, limit: run.limit)
    case "edit": return try model.prompter.edit(text, limit: run.limit, imageTokens: tokens)
    case "ask": return try model.prompter.ask(text, limit: run.limit, imageTokens: tokens)
    default: return try model.prompter.chat(run.texts, limit: run.limit)
    }
  }

  /// The picture of recorded pixels, [H, W, 3] uint8.
  static func picture(_ pixels: Tensor) throws -> Picture {
    guard case .uint8(let rgb) = pixels.values, pixels.shape.count == 3 else {
      throw MobileOError(
        .bundle, "pixels are \(pixels.summary), expected uint8 [H, W, 3]; record it again")
    }
    return try Picture(width: pixels.shape[1], height: pixels.shape[0], rgb: rgb)
  }

  private func input(_ name: String, _ inputs: [String: Tensor]) throws -> Tensor {
    guard let found = inputs[name] else {
      throw MobileOError(.bundle, "a call has no input \(name); record it again")
    }
    return found
  }

  private func number(_ name: String, _ values: [String: Double]) throws -> Double {
    guard let found = values[name] else {
      throw MobileOError(.bundle, "a call has no value \(name); record it again")
    }
    return found
  }
}

/// Plays one pipeline from its texts to its end, and compares what comes out.
struct PipelineReplay: Sendable {
  let folder: String
  let manifest: Manifest
  let trace: GoldenTrace
  let run: GoldenRun

  func problem() async throws -> String? {
    let engine = try ReplayEngine(trace, run: run.name)
    let model = try MobileO(folder: folder, manifest: manifest, engine: engine)
    let problem =
      run.drawing == nil ? try await answer(model) : try await drawing(model)
    if let problem { return problem }
    let left = await engine.remaining
    return left == 0 ? nil : "ends, but the trace has \(left) more calls"
  }

  private func drawing(_ model: MobileO) async throws -> String? {
    guard let how = run.drawing, let text = run.texts.first else { return "has no settings" }
    let stream =
      run.pipeline == "generate"
      ? model.generate(text, steps: how.steps, guidance: how.guidance, seed: how.seed)
      : model.edit(
        try photo(), text, steps: how.steps, guidance: how.guidance, seed: how.seed)
    for try await case .picture(let drawn) in stream {
      let pixels = run.calls.last { $0.stage == "pixels" }?.outputs["pixels"]
      guard let pixels, let gate = trace.gates[pixels.gate] else { return "has no pixels" }
      if let problem = try gate.problem(
        reference: trace.array(pixels.entry), found: drawn.picture.pixels)
      {
        return "pixels: \(problem)"
      }
      return drawn.prompt.cut == run.cut ? nil : "cuts \(drawn.prompt.cut) tokens, not \(run.cut)"
    }
    return "ends without a picture"
  }

  private func answer(_ model: MobileO) async throws -> String? {
    guard let how = run.sampling, let said = run.answer else { return "has no settings" }
    let sampling = try Sampling(
      model.recipe, temperature: how.temperature, topP: how.topP, maxNewTokens: how.maxNewTokens,
      seed: how.seed)
    let stream =
      run.pipeline == "ask"
      ? model.answering(try photo(), run.texts.first ?? "", sampling)
      : model.chatting(run.texts, sampling)
    var text = ""
    for try await event in stream {
      switch event {
      case .stage: break
      case .text(let piece): text += piece
      case .answer(let answer):
        if answer.ids != said.ids { return "its tokens are others than recorded" }
        if Exact(answer.text) != Exact(said.text) || Exact(text) != Exact(said.text) {
          return "its text is another"
        }
        if answer.ended.rawValue != said.ended {
          return "ends by \(answer.ended.rawValue), not \(said.ended)"
        }
        return answer.prompt.cut == run.cut
          ? nil : "cuts \(answer.prompt.cut) tokens, not \(run.cut)"
      }
    }
    return "ends without an answer"
  }

  private func photo() throws -> Picture {
    guard let entry = run.calls.first(where: { $0.stage == "preprocess" })?.inputs["pixels"] else {
      throw MobileOError(.bundle, "\(run.name) has no photograph; record it again")
    }
    return try StageReplay.picture(trace.array(entry))
  }
}
