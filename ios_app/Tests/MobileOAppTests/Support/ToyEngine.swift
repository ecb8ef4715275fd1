import Foundation
import MobileO

/// Components of a few operations, with a look at every call.
///
/// `onCall` is awaited when a call has begun and before it answers: what it does happens while the call
/// is in flight.
final class ToyEngine: Engine, @unchecked Sendable {
  typealias Hook = @Sendable (_ call: String, _ number: Int) async throws -> Void

  let manifest: Manifest
  private let lock = NSLock()
  private var seen: [String] = []
  private var present = 0
  private var most = 0
  private var hook: Hook?

  init(_ folder: String = ToyBundle.folder) throws { manifest = try Manifest(folder: folder) }

  /// `load llm`, `run dit`, `step llm`, `close llm`, …, in order.
  var calls: [String] { lock.withLock { seen } }
  /// Sessions that are not closed.
  var open: Int { lock.withLock { present } }
  /// The most that were open at a time.
  var mostOpen: Int { lock.withLock { most } }

  func onCall(_ hook: Hook?) { lock.withLock { self.hook = hook } }

  func session(_ component: String) async throws -> any Session {
    try await call("load " + component)
    count(1)
    return ToySession(engine: self, name: component)
  }

  func languageModel() async throws -> any LanguageModelSession {
    try await call("load llm")
    count(1)
    return ToySession(engine: self, name: "llm")
  }

  fileprivate func call(_ name: String) async throws {
    let (hook, number) = lock.withLock {
      seen.append(name)
      return (self.hook, seen.count - 1)
    }
    try await hook?(name, number)
  }

  fileprivate func count(_ change: Int) {
    lock.withLock {
      present += change
      most = max(most, present)
    }
  }
}

private actor ToySession: LanguageModelSession {
  /// How many tokens it says before it stops.
  private static let words = 6
  private let engine: ToyEngine
  private let name: String
  private var said = 0
  private var first = 0

  init(engine: ToyEngine, name: String) {
    self.engine = engine
    self.name = name
  }

  func close() async {
    try? await engine.call("close " + name)
    engine.count(-1)
  }

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try await engine.call("run " + name)
    func mean(_ name: String) throws -> Float {
      let values = try inputs[name]?.floats(name) ?? [0]
      return values.reduce(0, +) / Float(values.count)
    }
    switch name {
    case "vision_encoder": return ["image_features": filled([1, 4, 5], try mean("images"))]
    case "mcp":
      let tokens = inputs["stacked_hidden_states"]?.shape[2] ?? 0
      let level = try mean("stacked_hidden_states")
      return ["conditioning": filled([1, tokens, 6], level)]
    case "dit":
      let (latents, states) = (inputs["latent"], inputs["encoder_hidden_states"])
      guard let latents, let states else { return [:] }
      var velocities: [Float] = []
      for row in 0..<latents.shape[0] {
        let given = try states.row(row).floats("encoder_hidden_states")
        let pull = given.reduce(0, +) / Float(given.count)
        velocities += try latents.row(row).floats("latent").map { $0 * 0.5 + pull }
      }
      return ["velocity": Tensor(shape: latents.shape, .float32(velocities))]
    case "vae_decoder":
      let latent = try inputs["latent"]?.floats("latent") ?? []
      let image = (0..<192).map { (pixel: Int) -> Float in
        let (channel, y, x) = (pixel / 64, pixel % 64 / 8, pixel % 8)
        return latent[channel * 16 + y / 2 * 4 + x / 2] * 0.4
      }
      return ["image": Tensor(shape: [1, 3, 8, 8], .float32(image))]
    default:
      let ids = try inputs["input_ids"]?.integers("input_ids") ?? []
      let count = ids.count + (inputs["image_features"] == nil ? 0 : 3)
      let level = ids.reduce(Float(0)) { $0 + Float($1 % 17) } / 500
      return [
        "stacked_hidden_states": filled([1, 2, count, 3], level + (try mean("image_features"))),
        "logits": filled([1, 512], 0),
      ]
    }
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    try await engine.call("prefill llm")
    (said, first) = (0, inputIDs.count)
    return logits()
  }

  func step(_ token: Int) async throws -> Tensor {
    try await engine.call("step llm")
    said += 1
    return logits()
  }

  /// In one pass, and as if it had all been one prompt.
  func extend(_ inputIDs: Tensor) async throws -> Tensor {
    try await engine.call("extend llm")
    (said, first) = (0, first + said + inputIDs.count)
    return logits()
  }

  private func logits() -> Tensor {
    var values = [Float](repeating: 0, count: 512)
    values[said == Self.words ? 508 : 40 + (first + said * 7) % 26] = 1
    return Tensor(shape: [1, 512], .float32(values))
  }

  private func filled(_ shape: [Int], _ value: Float) -> Tensor {
    Tensor(shape: shape, .float32([Float](repeating: value, count: shape.reduce(1, *))))
  }
}
