/// What drawing and answering take, stage by stage: each run draws a picture and asks about it.
public struct PipelineBenchmark: Sendable, Equatable {
  /// What is drawn, and what is asked about it: those of Python's benchmarks.
  public static let caption =
    "A red bicycle leaning against a yellow wall in the soft light of a late afternoon"
  /// See ``caption``.
  public static let question = "What is in this picture, and what colour is it?"

  /// Runs that count; at least one.
  public let runs: Int
  /// Runs between the first, which is cold, and those that count.
  public let warmups: Int
  /// The longest answer, the first token excepted.
  public let tokens: Int
  /// How pictures are drawn.
  public let drawing: Drawing

  /// - Throws: ``MobileOError`` of kind `usage`: nothing would be measured.
  public init(_ drawing: Drawing, runs: Int = 10, warmups: Int = 1, tokens: Int = 64) throws {
    guard runs >= 1, tokens >= 1, warmups >= 0 else {
      throw MobileOError(
        .usage,
        "\(runs) runs, \(warmups) warm-ups, \(tokens) tokens: choose at least 1 run and 1 token, and "
          + "0 or more warm-ups")
    }
    (self.drawing, self.runs, self.warmups, self.tokens) = (drawing, runs, warmups, tokens)
  }

  /// The settings as plain data.
  public var settings: JSONObject {
    JSONObject([
      ("runs", .integer(runs)), ("warmups", .integer(warmups)), ("tokens", .integer(tokens)),
      ("steps", .integer(drawing.steps)), ("guidance", .number(drawing.guidance)),
      ("seed", .unsigned(drawing.seed)), ("prompt", .string(Self.caption)),
      ("question", .string(Self.question)),
    ])
  }

  /// Measures `model`, whose engine is `engine`; `done` is told how many runs are done, of how many.
  ///
  /// The first run finds nothing loaded if the caller sees to it: its calls are given apart, as `cold`.
  public func measure(
    _ model: MobileO, _ engine: TimedEngine, isolation: isolated (any Actor)? = #isolation,
    done: (Int, Int) -> Void = { _, _ in }
  ) async throws -> [BenchmarkMeasurement] {
    var found: [String: [Double]] = [:]
    var cold: [String: Double] = [:]
    _ = await engine.taken()
    for run in 0..<1 + warmups + runs {
      let (figures, first) = try await once(model, engine)
      if run == 0 { cold = first }
      if run > warmups { for (name, value) in figures { found[name, default: []].append(value) } }
      done(run + 1, 1 + warmups + runs)
    }
    let firsts = try cold.sorted { $0.key < $1.key }.map { name, seconds in
      try BenchmarkMeasurement(
        "cold_\(name)", .seconds,
        "First call of \(name) in this process, its loading included where it was not loaded",
        values: [seconds])
    }
    return try firsts
      + Self.definitions.compactMap { name, unit, definition in
        try found[name].map {
          try BenchmarkMeasurement(name, unit, definition, values: $0, warmups: 1 + warmups)
        }
      }
  }

  // Those of mobileo_export/bench/stages.py, of which a picture's ends otherwise.
  private static let definitions: [(String, BenchmarkMeasurement.Unit, String)] = [
    (
      "vision_encoder", .milliseconds,
      "From the pixel tensor in host memory to the image features in host memory"
    ),
    (
      "prefill", .milliseconds,
      "From token ids and image features in host memory to the logits behind them: image "
        + "projector, splice, language model"
    ),
    (
      "time_to_first_token", .milliseconds,
      "From a decoded picture and the text of a question to the first piece of text that is not "
        + "empty: preprocessing, vision encoder, prefill, choosing tokens and decoding them; nothing "
        + "is loaded meanwhile"
    ),
    (
      "decode_rate", .tokensPerSecond,
      "Tokens after the first, one by one, divided by their time, each chosen on the host"
    ),
    (
      "llm", .milliseconds,
      "From token ids to the hidden states that a picture is drawn from"
    ),
    (
      "mcp", .milliseconds,
      "From hidden states to the conditioning, of all branches of guidance"
    ),
    (
      "dit_step", .milliseconds,
      "The transformer in one step of a picture, all branches of guidance"
    ),
    ("vae_decoder", .milliseconds, "From the latent to the image, both in host memory"),
    (
      "image", .seconds,
      "From the text of a prompt to pixels in host memory: language model, projector, every step "
        + "of the transformer with guidance, decoder; what has to be loaded meanwhile counts"
    ),
  ]

  /// The figures of one run by name, and the seconds of each component's first call in it.
  private func once(
    _ model: MobileO, _ engine: TimedEngine
  ) async throws -> ([String: Double], [String: Double]) {
    var started = ContinuousClock.now
    var picture: Picture?
    let drawn = model.generate(
      Self.caption, steps: drawing.steps, guidance: drawing.guidance, seed: drawing.seed)
    for try await case .picture(let made) in drawn { picture = made.picture }
    try Task.checkCancellation()
    guard let picture else { throw CancellationError() }
    var figures = ["image": started.duration(to: .now) / .seconds(1)]
    let drawing = await engine.taken()
    started = .now
    let how = try Sampling(model.recipe, temperature: 0, maxNewTokens: tokens + 1)
    var isSilent = true
    for try await event in model.answering(picture, Self.question, how) where isSilent {
      switch event {
      case .text: isSilent = false
      case .stage(.answering): break  // of a model that says nothing, the first token's time
      default: continue
      }
      figures["time_to_first_token"] = started.duration(to: .now) / .milliseconds(1)
    }
    try Task.checkCancellation()
    let answering = await engine.taken()
    for (name, seconds) in [
      ("vision_encoder", answering["vision_encoder"]), ("prefill", answering["prefill"]),
      ("llm", drawing["llm"]), ("mcp", drawing["mcp"]), ("dit_step", drawing["dit"]),
      ("vae_decoder", drawing["vae_decoder"]),
    ] {
      let times = name == "dit_step" ? self.drawing.steps : 1
      figures[name] = seconds.map { $0.reduce(0, +) * 1000 / Double(times) }
    }
    if let steps = answering["step"] {
      figures["decode_rate"] = Double(steps.count) / steps.reduce(0, +)
    }
    let first = drawing.merging(answering) { drawing, _ in drawing }.compactMapValues(\.first)
    return (figures, first.filter { !["prefill", "step"].contains($0.key) })
  }
}
