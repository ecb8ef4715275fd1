/// Texts and numbers that make pipelines out of the components, as the bundle states them.
///
/// No constant of it stands anywhere else. See docs/recipe.md.
public struct Recipe: Sendable, Equatable {
  /// ChatML texts; `{user}` and `{system}` are replaced.
  public struct Prompts: Sendable, Equatable {
    /// What stands for `{system}`.
    public let system: String
    /// One turn, the assistant's open.
    public let template: String
    /// What follows an answer in a conversation.
    public let nextTurn: String
    /// Before a caption.
    public let generatePrefix: String
    /// Before an instruction.
    public let editPrefix: String
    /// Before both where there is a picture; holds the image token.
    public let imagePrefix: String
  }

  /// How a picture is drawn: DPM-Solver++ 2M on shifted flow sigmas.
  public struct Sampling: Sendable, Equatable {
    /// s of the shifted sigmas.
    public let flowShift: Double
    /// T: what a sigma of 1 is called to the transformer.
    public let trainTimesteps: Int
    /// Where none are asked for.
    public let steps: Int
    /// Where none is asked for.
    public let guidance: Double

    package init(flowShift: Double, trainTimesteps: Int, steps: Int, guidance: Double) {
      self.flowShift = flowShift
      self.trainTimesteps = trainTimesteps
      self.steps = steps
      self.guidance = guidance
    }
  }

  /// The latent image: its shape [1, C, S, S], and what it is divided by before it is decoded.
  public struct Latent: Sendable, Equatable {
    /// [1, C, S, S].
    public let shape: [Int]
    /// What the latent is divided by before it is decoded.
    public let scalingFactor: Double
    /// Name and version of the generator; pipelines draw ``Noise/name`` only.
    public let noise: String
  }

  /// A photograph for the vision encoder: padded to a square, resized, scaled.
  public struct Preprocessing: Sendable, Equatable {
    /// The side in pixels.
    public let imageSize: Int
    /// M: how many features a picture becomes.
    public let tokens: Int
    /// Red, green and blue of the padding.
    public let padColor: [UInt8]
    /// What a byte is multiplied by.
    public let rescale: Double
    /// Of each channel: taken away after that.
    public let mean: [Double]
    /// Of each channel: what the rest is divided by.
    public let deviation: [Double]

    package init(
      imageSize: Int, tokens: Int, padColor: [UInt8], rescale: Double, mean: [Double],
      deviation: [Double]
    ) {
      self.imageSize = imageSize
      self.tokens = tokens
      self.padColor = padColor
      self.rescale = rescale
      self.mean = mean
      self.deviation = deviation
    }
  }

  /// How an answer is generated.
  public struct Text: Sendable, Equatable {
    /// The id that stands for a picture.
    public let imageToken: Int
    /// Ids that end an answer.
    public let stopTokens: [Int]
    /// The longest answer, in tokens.
    public let maxNewTokens: Int
    /// 0 takes the most probable token each time.
    public let temperature: Double
    /// The share of probability that takes part.
    public let topP: Double
  }

  /// Texts.
  public let prompts: Prompts
  /// How a picture is drawn.
  public let sampling: Sampling
  /// The latent image.
  public let latent: Latent
  /// What becomes of a photograph.
  public let preprocessing: Preprocessing
  /// How an answer is generated.
  public let text: Text
  /// The side of a drawn picture, in pixels.
  public let imageSize: Int
  /// K: how many of the language model's last hidden states condition a picture.
  public let hiddenStates: Int

  /// The recipe of a manifest that fits its schema.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: it asks for arithmetic that this release does not
  ///   do; the field is named.
  init(_ fields: FieldReader) throws {
    let prompts = try fields.object("prompts")
    self.prompts = try Prompts(
      system: prompts.string("system"), template: prompts.string("template"),
      nextTurn: prompts.string("next_turn"), generatePrefix: prompts.string("generate_prefix"),
      editPrefix: prompts.string("edit_prefix"), imagePrefix: prompts.string("image_prefix"))
    let sampling = try fields.object("sampling")
    try Self.expect(sampling, "algorithm", "dpmsolver++")
    try Self.expect(sampling, "solver_order", 2)
    try Self.expect(sampling, "prediction_type", "flow_prediction")
    try Self.expect(sampling, "timestep_rounding", "truncate")
    try Self.expect(sampling, "unconditional", "zero_hidden_states")
    self.sampling = try Sampling(
      flowShift: sampling.double("flow_shift"),
      trainTimesteps: sampling.integer("num_train_timesteps"), steps: sampling.integer("steps"),
      guidance: sampling.double("guidance_scale"))
    let latent = try fields.object("latent")
    self.latent = try Latent(
      shape: latent.integers("shape"), scalingFactor: latent.double("scaling_factor"),
      noise: latent.string("noise"))
    let image = try fields.object("image")
    try Self.expect(image, "rounding", "nearest")
    imageSize = try image.integer("size")
    preprocessing = try Preprocessing(fields.object("preprocessing"))
    let text = try fields.object("text")
    self.text = try Text(
      imageToken: text.integer("image_token_id"), stopTokens: text.integers("stop_token_ids"),
      maxNewTokens: text.integer("max_new_tokens"), temperature: text.double("temperature"),
      topP: text.double("top_p"))
    hiddenStates = try fields.integer("hidden_states")
  }

  /// What of it no pipeline here can do, in a few words; the seal does not depend on it.
  var problem: String? {
    let side = Picture.largestSide
    let values = latent.shape.reduce(1.0) { $0 * Double($1) }
    if latent.noise != Noise.name {
      return "its noise is '\(latent.noise)', this release draws \(Noise.name)"
    }
    if latent.shape.count != 4 || values > Double(1 << 26) {
      return "its latent is \(latent.shape), larger than this release draws"
    }
    if preprocessing.imageSize > side {
      return
        "its encoder takes pictures of \(preprocessing.imageSize) pixels, at most \(side) are made"
    }
    if !(sampling.flowShift > 0 && sampling.flowShift <= 1000) {
      return "its flow shift is \(sampling.flowShift), which is no schedule"
    }
    if sampling.trainTimesteps > 1 << 20 {
      return "it has \(sampling.trainTimesteps) timesteps, which is no schedule"
    }
    return nil
  }

  fileprivate static func expect(
    _ fields: FieldReader, _ key: String, _ value: JSONValue
  ) throws {
    let found = fields.content[key] ?? .null
    if found != value {
      throw MobileOError(
        .bundle,
        "the recipe's \(key) is \(found.text), this release does \(value.text) only; "
          + "use the release that the bundle was made with")
    }
  }
}

extension Recipe.Preprocessing {
  init(_ fields: FieldReader) throws {
    try Recipe.expect(fields, "fit", "pad")
    try Recipe.expect(fields, "resample", "bicubic")
    try Recipe.expect(fields, "color_space", "sRGB")
    imageSize = try fields.integer("image_size")
    tokens = try fields.integer("num_tokens")
    padColor = try fields.integers("pad_color").map { UInt8(clamping: $0) }
    rescale = try fields.double("rescale")
    mean = try fields.doubles("mean")
    deviation = try fields.doubles("std")
    if padColor.count != 3 || mean.count != 3 || deviation.count != 3 {
      throw fields.failure("has a color of other than three channels")
    }
  }
}
