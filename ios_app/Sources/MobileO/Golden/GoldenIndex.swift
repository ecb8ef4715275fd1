/// What a stage takes and gives, by name, and the gate of each output.
struct GoldenStage: Sendable {
  let inputs: Set<String>
  let outputs: [String: String]
  var optional: Set<String> = []
  var values: Set<String> = []
  /// Who executes it; nil where code of a few lines does.
  var component: String?

  /// Every stage of a trace.
  static let all: [String: GoldenStage] = [
    "tokens": .init(inputs: [], outputs: ["input_ids": "exact"]),
    "preprocess": .init(inputs: ["pixels"], outputs: ["images": "images"]),
    "vision_encoder": .init(
      inputs: ["images"], outputs: ["image_features": "image_features"],
      component: "vision_encoder"),
    "projector": .init(
      inputs: ["image_features"], outputs: ["projected_features": "projected_features"]),
    "llm": .init(
      inputs: ["input_ids"],
      outputs: ["stacked_hidden_states": "stacked_hidden_states", "logits": "logits"],
      optional: ["image_features"], component: "llm"),
    "llm_step": .init(inputs: ["token_id"], outputs: ["logits": "logits"], component: "llm"),
    "mcp": .init(
      inputs: ["stacked_hidden_states"], outputs: ["conditioning": "conditioning"],
      component: "mcp"),
    "noise": .init(inputs: [], outputs: ["latent": "noise"]),
    "dit": .init(
      inputs: ["latent", "timestep", "encoder_hidden_states", "encoder_attention_mask"],
      outputs: ["velocity": "velocity"], component: "dit"),
    "guidance": .init(
      inputs: ["conditional", "unconditional"], outputs: ["velocity": "arithmetic"],
      values: ["guidance"]),
    "solver": .init(
      inputs: ["latent", "velocity"], outputs: ["next_latent": "arithmetic"],
      optional: ["earlier_latent", "earlier_velocity"],
      values: ["earlier_sigma", "sigma", "next_sigma"]),
    "unscale": .init(
      inputs: ["latent"], outputs: ["scaled": "arithmetic"], values: ["scaling_factor"]),
    "vae_decoder": .init(
      inputs: ["latent"], outputs: ["image": "image"], component: "vae_decoder"),
    "pixels": .init(inputs: ["image"], outputs: ["pixels": "exact"]),
    "sample": .init(
      inputs: ["logits"], outputs: ["token_id": "exact"],
      values: ["temperature", "top_p", "uniform"]),
  ]
}

/// An array of a trace: where its values are, and how they are stored.
struct GoldenEntry: Sendable {
  enum Storage: String {
    case raw, constant, sampled
    case bytes = "scaled_uint8"
  }

  /// Every `stride`-th index of `axis`, from `start`.
  struct Sample {
    let axis: Int
    let start: Int
    let stride: Int
  }

  let name: String
  let dtype: String
  let shape: [Int]
  let storage: Storage
  let file: String?
  let offset: Int
  let size: Int
  let number: Double
  let sample: Sample?

  init(_ fields: FieldReader) throws {
    name = try fields.string("name")
    dtype = try fields.string("dtype")
    shape = try fields.integers("shape")
    storage = try Storage(rawValue: fields.string("storage")) ?? .raw
    file = fields.content["file"]?.string
    offset = fields.content["offset"]?.integer ?? 0
    size = fields.content["size"]?.integer ?? 0
    number = fields.content["value"]?.double ?? fields.content["scale"]?.double ?? 0
    sample = try fields.optional("sample").map {
      try Sample(
        axis: $0.integer("axis"), start: $0.integer("start"), stride: $0.integer("stride"))
    }
  }

  /// The shape of what is stored: smaller along a sampled axis.
  var storedShape: [Int] {
    guard let sample, sample.axis < shape.count else { return shape }
    var sizes = shape
    sizes[sample.axis] = max(0, (shape[sample.axis] - sample.start - 1) / sample.stride + 1)
    return sizes
  }

  /// Why the entry cannot be read; `sizes` are those of the files.
  func problem(_ sizes: [String: Int]) -> String? {
    if let sample, sample.axis >= shape.count || sample.start >= shape[sample.axis] {
      return "has a sample that does not fit its shape"
    }
    let count = storedShape.reduce((1, false)) { sum, size in
      let (product, overflow) = sum.0.multipliedReportingOverflow(by: size)
      return (product, sum.1 || overflow)
    }
    if count.1 || count.0 > GoldenTrace.largest / 4 {
      return "has shape \(shape), larger than a trace may be"
    }
    if storage == .constant { return nil }
    let wanted = count.0 * (storage == .bytes || dtype == "uint8" ? 1 : 4)
    if size != wanted { return "has \(size) bytes, its shape takes \(wanted)" }
    guard let file, let length = sizes[file] else {
      return "lies in \(file ?? "?"), which is not there or not listed in the manifest"
    }
    return offset > length - wanted ? "ends after the end of \(file)" : nil
  }

  /// The part of `whole` that the entry stores; `whole` itself if its shape is another.
  func part(of whole: Tensor) -> Tensor {
    guard let sample, whole.shape == shape else { return whole }
    let inner = shape[(sample.axis + 1)...].reduce(1, *)
    let outer = shape[..<sample.axis].reduce(1, *)
    let length = shape[sample.axis]
    var places: [Int] = []
    for block in 0..<outer {
      for index in stride(from: sample.start, to: length, by: sample.stride) {
        let start = (block * length + index) * inner
        places += start..<start + inner
      }
    }
    switch whole.values {
    case .float32(let values):
      return Tensor(shape: storedShape, .float32(places.map { values[$0] }))
    case .int32(let values): return Tensor(shape: storedShape, .int32(places.map { values[$0] }))
    case .uint8(let values): return Tensor(shape: storedShape, .uint8(places.map { values[$0] }))
    }
  }
}

/// A recorded call: inputs and outputs are positions in the trace's entries.
struct GoldenCall: Sendable {
  let stage: String
  let step: Int?
  let branch: String?
  let inputs: [String: Int]
  let values: [String: Double?]
  let outputs: [String: (entry: Int, gate: String)]

  init(_ fields: FieldReader) throws {
    stage = try fields.string("stage")
    step = fields.content["step"]?.integer
    branch = fields.content["branch"]?.string
    inputs = try Dictionary(
      fields.object("inputs").members().map { ($0, $1.content.integer ?? -1) },
      uniquingKeysWith: { $1 })
    values = try Dictionary(
      fields.object("values").members().map { ($0, $1.content.double) }, uniquingKeysWith: { $1 })
    outputs = try Dictionary(
      fields.object("outputs").members().map { name, output in
        (name, (entry: try output.integer("entry"), gate: try output.string("gate")))
      }, uniquingKeysWith: { $1 })
  }

  /// Such as `edit, step 2, unconditional`.
  func name(_ run: GoldenRun) -> String {
    [run.name, step.map { "step \($0)" }, branch].compactMap(\.self).joined(separator: ", ")
  }
}

/// One run of a pipeline, with its calls in the order in which they were made.
struct GoldenRun: Sendable {
  struct Settings: Sendable {
    let steps: Int
    let guidance: Double
    let seed: UInt64
  }

  struct Choice: Sendable {
    let temperature: Double
    let topP: Double
    let maxNewTokens: Int
    let seed: UInt64
  }

  let name: String
  let pipeline: String
  let texts: [String]
  let limit: Int
  let cut: Int
  let drawing: Settings?
  let sampling: Choice?
  let answer: (text: String, ids: [Int], ended: String)?
  let calls: [GoldenCall]

  init(_ fields: FieldReader) throws {
    name = try fields.string("name")
    pipeline = try fields.string("pipeline")
    texts = try fields.strings("texts")
    limit = try fields.integer("limit")
    cut = try fields.integer("cut")
    drawing = try fields.optional("drawing").map {
      try Settings(
        steps: $0.integer("steps"), guidance: $0.double("guidance"), seed: $0.unsigned("seed"))
    }
    sampling = try fields.optional("sampling").map {
      try Choice(
        temperature: $0.double("temperature"), topP: $0.double("top_p"),
        maxNewTokens: $0.integer("max_new_tokens"), seed: $0.unsigned("seed"))
    }
    answer = try fields.optional("answer").map {
      (try $0.string("text"), try $0.integers("token_ids"), try $0.string("ended"))
    }
    calls = try fields.array("calls").map(GoldenCall.init)
  }
}
