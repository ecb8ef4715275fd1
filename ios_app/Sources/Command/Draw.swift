import MobileO

/// `mobileo generate`: text to picture.
enum Generate: Command {
  static let name = "generate"
  static let summary = "Draw what a text says."
  static let usage = "BUNDLE PROMPT"
  static let details =
    "The same bundle, text, steps, guidance and seed give the same picture.\n" + Serving.details
  static let options = Draw.options
  static let elsewhere = Serving.elsewhere

  static func run(_ arguments: Arguments) async throws {
    let words = try words(arguments, ["BUNDLE", "PROMPT"])
    try await Draw.run(arguments, words[0], nil, words[1], "the text")
  }
}

/// `mobileo edit`: picture and text to picture.
enum Edit: Command {
  static let name = "edit"
  static let summary = "Draw a picture anew, with a change."
  static let usage = "BUNDLE PHOTO INSTRUCTION"
  static let details = """
    The model sees the picture and draws another one from what it understood; it does not paint over
    the pixels.
    """ + " " + Serving.details
  static let options = Draw.options
  static let elsewhere = Serving.elsewhere

  static func run(_ arguments: Arguments) async throws {
    let words = try words(arguments, ["BUNDLE", "PHOTO", "INSTRUCTION"])
    try await Draw.run(arguments, words[0], words[1], words[2], "the instruction")
  }
}

/// What the two share.
enum Draw {
  static let options =
    [
      Arguments.Option("--output", "-o", value: "FILE", help: ".png to write."),
      Arguments.Option(
        "--steps", value: "INTEGER",
        help: "Of the scheduler, 1 to 500; the recipe's (20) by default."),
      Arguments.Option(
        "--guidance", value: "FLOAT", help: "1 for none; the recipe's (1.5) by default."),
      Arguments.Option(
        "--seed", value: "INTEGER",
        help: "Of the noise, the same numbers on every machine; 0 by default."),
    ] + Serving.options

  static func run(
    _ arguments: Arguments, _ bundle: String, _ photo: String?, _ text: String, _ what: String
  ) async throws {
    guard let output = arguments.value("--output") else {
      throw MobileOError(.usage, "missing option --output (-o); name the .png to write")
    }
    try Places.check(output, "png")
    let steps: Int? = try arguments.number("--steps", "a whole number from 1 to 500")
    let guidance: Double? = try arguments.number("--guidance", "a number from 1 to 30")
    let seed: UInt64? = try arguments.number("--seed", "one from 0 to \(UInt64.max)")
    let drawing = try Drawing(
      Manifest(folder: bundle).recipe, steps: steps, guidance: guidance, seed: seed ?? 0)
    let isJSON = arguments.has("--json")
    let isQuiet = isJSON || arguments.has("--quiet")
    let (drawn, seconds) = try await Serving.run(bundle, arguments) { model, engine in
      let seen: Picture? = if let photo { try await Serving.picture(photo, engine) } else { nil }
      let started = ContinuousClock.now
      let drawn = try await draw(model, drawing, seen, text, quiet: isQuiet)
      let seconds = Serving.seconds(since: started)
      try PNG.write(
        drawn.picture, to: output, texts: drawn.texts(prompt: text, bundle: model.manifest))
      return (drawn, seconds)
    }
    Serving.warn(what, cut: drawn.prompt.cut)
    let (width, height) = (drawn.picture.width, drawn.picture.height)
    if isJSON {
      Output.json([
        "output": .string(output), "width": .integer(width), "height": .integer(height),
        "steps": .integer(drawing.steps), "guidance": .number(drawing.guidance),
        "seed": .unsigned(drawing.seed), "prompt_tokens": .integer(drawn.prompt.ids.count),
        "cut_tokens": .integer(drawn.prompt.cut), "seconds": .number(seconds),
        "runtimes": drawn.runtimes.json,
      ])
    } else {
      Output.line(
        printable("wrote \(output): \(width) x \(height), \(drawing.steps) steps, ")
          + "guidance \(shortest(drawing.guidance)), seed \(drawing.seed), "
          + "in \(Output.decimal(seconds)) s")
    }
  }

  /// The picture, with progress as it comes.
  private static func draw(
    _ model: MobileO, _ drawing: Drawing, _ photo: Picture?, _ text: String, quiet: Bool
  ) async throws -> DrawnPicture {
    let (steps, guidance, seed) = (drawing.steps, drawing.guidance, drawing.seed)
    let events =
      if let photo {
        model.edit(photo, text, steps: steps, guidance: guidance, seed: seed)
      } else {
        model.generate(text, steps: steps, guidance: guidance, seed: seed)
      }
    var display = ProgressDisplay(quiet: quiet)
    defer { display.end() }
    var drawn: DrawnPicture?
    for try await event in events {
      switch event {
      case .stage(let stage): display.stage(stage.component, stage.rawValue)
      case .step(let step, let steps, _): display.step(step, of: steps)
      case .picture(let picture): drawn = picture
      }
    }
    try Task.checkCancellation()
    guard let drawn else { throw CancellationError() }
    return drawn
  }
}

extension DrawingEvent.Stage {
  /// Whose work it is.
  var component: String {
    switch self {
    case .looking: "vision_encoder"
    case .reading: "llm"
    case .conditioning: "mcp"
    case .drawing: "dit"
    case .decoding: "vae_decoder"
    }
  }
}
