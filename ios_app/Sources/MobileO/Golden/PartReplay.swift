/// The small deterministic parts of a trace, made anew from what was recorded of their inputs.
struct PartReplay {
  private static let relative = 2e-6

  let model: MobileO

  struct Case {
    let name: String
    let problem: () throws -> String?
  }

  func cases(_ parts: JSONValue) -> [Case] {
    let makers: [(String, (FieldReader) throws -> [(String, JSONValue)])] = [
      ("tokenizer", tokenizer), ("prompts", prompt), ("schedules", schedule), ("solvers", solver),
      ("noise", noise), ("uniform", uniform), ("sampling", sampling),
    ]
    return makers.flatMap { name, make in
      (parts[name]?.array ?? []).enumerated().map { index, content in
        Case(name: "\(name) \(index)") {
          let fields = FieldReader(content, at: "\(name) \(index)")
          for (key, found) in try make(fields) where !Self.same(content[key] ?? .null, found) {
            return "\(key) is another than recorded"
          }
          return nil
        }
      }
    }
  }

  private func tokenizer(_ given: FieldReader) throws -> [(String, JSONValue)] {
    let ids = model.tokenizer.encode(text: try given.string("text"))
    return [("ids", list(ids)), ("decoded", .string(model.tokenizer.decode(ids)))]
  }

  private func prompt(_ given: FieldReader) throws -> [(String, JSONValue)] {
    let texts = try given.strings("texts")
    let text = texts.first ?? ""
    let (limit, tokens) = (try given.integer("limit"), try given.integer("image_tokens"))
    let made =
      switch try given.string("task") {
      case "generate": try model.prompter.generate(text, limit: limit)
      case "edit": try model.prompter.edit(text, limit: limit, imageTokens: tokens)
      case "ask": try model.prompter.ask(text, limit: limit, imageTokens: tokens)
      default: try model.prompter.chat(texts, limit: limit)
      }
    return [("ids", list(made.ids)), ("cut", .integer(made.cut))]
  }

  private func schedule(_ given: FieldReader) throws -> [(String, JSONValue)] {
    let made = try Schedule(model.recipe.sampling, steps: given.integer("steps"))
    return [("sigmas", list(made.sigmas.map(Double.init))), ("timesteps", list(made.timesteps))]
  }

  private func solver(_ given: FieldReader) throws -> [(String, JSONValue)] {
    let made = try Schedule(model.recipe.sampling, steps: given.integer("steps"))
    var solver = Solver(made)
    var latent = try given.doubles("latent").map { Float($0) }
    let velocities = (given.content["velocities"]?.array ?? []).map { velocity in
      (velocity.array ?? []).compactMap(\.double).map { Float($0) }
    }
    let latents = try velocities.map { velocity in
      latent = try solver.step(velocity: velocity, latent: latent)
      return list(latent.map(Double.init))
    }
    return [("latents", .array(latents))]
  }

  private func noise(_ given: FieldReader) throws -> [(String, JSONValue)] {
    let count = try given.integers("shape").reduce(1, *)
    let values = Noise.normal(seed: try seed(given), count: count)
    let bytes = values.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
    }
    return [
      ("first", list(values.prefix(64).map(Double.init))),
      ("sha256", .string(SHA256Digest.of(bytes))),
    ]
  }

  private func uniform(_ given: FieldReader) throws -> [(String, JSONValue)] {
    var stream = Noise.Uniform(seed: try seed(given))
    return [("first", list((0..<64).map { _ in stream.next() }))]
  }

  private func sampling(_ given: FieldReader) throws -> [(String, JSONValue)] {
    let uniform = try given.double("uniform")
    let token = try TokenSampling.choose(
      given.doubles("logits").map { Float($0) }, temperature: given.double("temperature"),
      topP: given.double("top_p")
    ) { uniform }
    return [("token_id", .integer(token))]
  }

  private func seed(_ given: FieldReader) throws -> UInt64 {
    let text = try given.string("seed")
    guard let seed = UInt64(text) else {
      throw MobileOError(.usage, "seed \(text): choose one from 0 to \(UInt64.max)")
    }
    return seed
  }

  private func list(_ values: [Int]) -> JSONValue { .array(values.map { .integer($0) }) }

  private func list(_ values: [Double]) -> JSONValue { .array(values.map { .number($0) }) }

  private static func same(_ recorded: JSONValue, _ found: JSONValue) -> Bool {
    switch (recorded, found) {
    case (.array(let a), .array(let b)): return a.count == b.count && zip(a, b).allSatisfy(same)
    case (.string(let a), .string(let b)): return Exact(a) == Exact(b)
    case (_, .number(let value)):
      return recorded.double.map { abs($0 - value) <= relative * max(1, abs(value)) } ?? false
    default: return recorded == found
    }
  }
}
