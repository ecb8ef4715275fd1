import MobileO

/// The toy of ios_app/Tests/Python/toy.py: components of a few exact operations, no weights.
struct ToyEngine: Engine {
  let manifest: Manifest

  func session(_ component: String) async throws -> any Session {
    ToySession(name: component, manifest: manifest)
  }

  func languageModel() async throws -> any LanguageModelSession {
    ToySession(name: "llm", manifest: manifest)
  }
}

private actor ToySession: LanguageModelSession {
  private let name: String
  private let manifest: Manifest
  private let shape: [Int]
  private var last = 0
  private var count = 0

  init(name: String, manifest: Manifest) {
    self.name = name
    self.manifest = manifest
    shape = (manifest.components[name]?.outputs.first?.shape ?? []).map(\.largest)
  }

  func close() async {}

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    func input(_ name: String) throws -> [Float] { try inputs[name]?.floats(name) ?? [] }
    switch name {
    case "vision_encoder": return ["image_features": see(try input("images"))]
    case "llm":
      let ids = try inputs["input_ids"]?.integers("input_ids").map { Int($0) } ?? []
      let states = try states(ids, inputs["image_features"])
      return ["stacked_hidden_states": states, "logits": logits()]
    case "mcp":
      let sizes = inputs["stacked_hidden_states"]?.shape ?? []
      return ["conditioning": project(try input("stacked_hidden_states"), sizes)]
    case "dit":
      let latent = try input("latent")
      let given = try input("encoder_hidden_states")
      let (time, mask) = (try input("timestep")[0], try input("encoder_attention_mask")[0])
      let velocity = latent.indices.map { place in
        latent[place] * 0.75 + given[place * 13 % given.count] * mask - time * 0.001
      }
      return ["velocity": Tensor(shape: shape, .float32(velocity))]
    default: return ["image": decode(try input("latent"), inputs["latent"]?.shape ?? [])]
    }
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    _ = try states(inputIDs.integers("input_ids").map { Int($0) }, imageFeatures)
    return logits()
  }

  func step(_ token: Int) async throws -> Tensor {
    last = token
    count += 1
    return logits()
  }

  private func logits() -> Tensor {
    let size = manifest.content["model"]?["llm"]?["vocab_size"]?.integer ?? 0
    let scores = (0..<size).map { Float(($0 * 37 + last * 11 + count * 5) % 101) / 7 }
    return Tensor(shape: [1, size], .float32(scores))
  }

  private func see(_ images: [Float]) -> Tensor {
    let values = (0..<shape[1] * shape[2]).map { images[$0 * 17 % images.count] }
    return Tensor(shape: shape, .float32(values))
  }

  private func states(_ ids: [Int], _ features: Tensor?) throws -> Tensor {
    (last, count) = (ids.last ?? 0, ids.count)
    let width = shape[3]
    var rows = ids.map { [Float](repeating: Float($0), count: width) }
    if let features {
      let recipe = manifest.recipe
      let span = try Splice.span(
        ids, imageToken: recipe.text.imageToken, tokens: recipe.preprocessing.tokens)
      let (values, size) = (try features.floats("image_features"), features.shape[2])
      let seen = (0..<features.shape[1]).map { row in
        (0..<width).map { values[row * size + $0 % size] }
      }
      rows.replaceSubrange(span, with: seen)
    }
    var states: [Float] = []
    for layer in 1...shape[1] {
      for row in rows {
        for (j, value) in row.enumerated() {
          states.append((value * 0.01 - Float(j * 7 % 13) * 0.125) * Float(layer))
        }
      }
    }
    return Tensor(shape: [1, shape[1], rows.count, width], .float32(states))
  }

  private func project(_ states: [Float], _ sizes: [Int]) -> Tensor {
    let (layers, tokens, width) = (sizes[1], sizes[2], sizes[3])
    var values: [Float] = []
    for token in 0..<tokens {
      for channel in 0..<shape[2] {
        let place = (channel % layers * tokens + token) * width + channel % width
        values.append(states[place] * 0.5 + 0.1)
      }
    }
    return Tensor(shape: [1, tokens, shape[2]], .float32(values))
  }

  private func decode(_ latent: [Float], _ sizes: [Int]) -> Tensor {
    let (channels, side) = (sizes[1], sizes[2])
    var values: [Float] = []
    for channel in 0..<3 {
      for y in 0..<shape[2] {
        for x in 0..<shape[3] {
          values.append(latent[(channel % channels * side + y % side) * side + x % side] * 0.6)
        }
      }
    }
    return Tensor(shape: shape, .float32(values))
  }
}
