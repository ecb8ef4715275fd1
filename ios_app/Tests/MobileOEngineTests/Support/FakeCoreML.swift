import Foundation
import MobileO
import MobileOEngine

/// An error as a framework throws it.
struct SystemFailure: Error, LocalizedError {
  let errorDescription: String?

  init(_ text: String) { errorDescription = text }
}

/// Core ML without Core ML: compiled models are folders of copied bytes, outputs are of the manifest's
/// shapes, and memory comes back when a model is let go.
final class FakeCoreML: CoreMLRuntime, @unchecked Sendable {
  let manifest: Manifest
  let phone: Phone
  private let lock = NSLock()
  private var state = State()

  struct State {
    /// Components that cannot be loaded on these units.
    var broken: [String: Set<CoreMLUnits>] = [:]
    /// Components that cannot be compiled.
    var uncompilable: Set<String> = []
    /// What models say of themselves, where it is not what the manifest says.
    var inputs: [String: [String: ModelFeature]] = [:]
    var outputs: [String: [String: ModelFeature]] = [:]
    /// What runs give instead of ones.
    var value: [String: Float] = [:]
    var failing: Set<String> = []
    var asked: [String: LoadOptions] = [:]
    var operations: [PlannedOperation] = []
    var isCompiling: (@Sendable () async throws -> Void)?
  }

  init(_ manifest: Manifest, _ phone: Phone = Phone()) {
    (self.manifest, self.phone) = (manifest, phone)
  }

  func set(_ change: (inout State) -> Void) { lock.withLock { change(&state) } }
  var now: State { lock.withLock { state } }

  private func component(_ url: URL) -> String {
    let name = url.deletingPathExtension().lastPathComponent
    return manifest.components.first { $1.artifacts.first?.path == name + ".mlpackage" }?.key
      ?? name
  }

  func compile(_ package: URL) async throws -> URL {
    let name = component(package)
    phone.add(.compile(name))
    let made = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent(
      "compiled-" + UUID().uuidString)
    let model = made.appendingPathComponent(
      package.deletingPathExtension().lastPathComponent + ".mlmodelc")
    try FileManager.default.createDirectory(
      at: model.appendingPathComponent("weights"), withIntermediateDirectories: true)
    try Data("program".utf8).write(to: model.appendingPathComponent("model.mil"))
    try await now.isCompiling?()
    if now.uncompilable.contains(name) { throw SystemFailure("it is no model") }
    try FileManager.default.copyItem(
      at: package.appendingPathComponent("weight.bin"),
      to: model.appendingPathComponent("weights/weight.bin"))
    return model
  }

  func load(_ compiled: URL, _ options: LoadOptions) async throws -> any CoreMLModel {
    let name = component(compiled)
    set { $0.asked[name] = options }
    guard FileManager.default.fileExists(atPath: compiled.path + "/weights/weight.bin") else {
      throw SystemFailure("no such model")
    }
    do {
      try await phone.begin(.load(name))
      if now.broken[name]?.contains(options.units) == true {
        throw SystemFailure("cannot run on \(options.units)")
      }
      return FakeModel(name, self)
    } catch {
      phone.failed(name)
      throw error
    }
  }

  func plan(_ compiled: URL, _ options: LoadOptions) async throws -> [PlannedOperation] {
    if now.failing.contains(component(compiled)) { throw SystemFailure("no plan") }
    return now.operations
  }
}

private final class FakeModel: CoreMLModel, @unchecked Sendable {
  let name: String
  let core: FakeCoreML

  init(_ name: String, _ core: FakeCoreML) { (self.name, self.core) = (name, core) }

  deinit { core.phone.end(name) }

  var inputs: [String: ModelFeature] {
    core.now.inputs[name] ?? features(core.manifest.components[name]?.inputs ?? [])
  }

  var outputs: [String: ModelFeature] {
    core.now.outputs[name] ?? features(core.manifest.components[name]?.outputs ?? [])
  }

  func predict(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try await core.phone.begin(.run(name))
    if core.now.failing.contains(name) { throw SystemFailure("the GPU is gone") }
    guard let signature = core.manifest.components[name] else { return [:] }
    return ones(signature, inputs, core.now.value[name] ?? 1)
  }
}

/// What a model says of arrays that are as the manifest has them.
func features(_ signature: [TensorSignature]) -> [String: ModelFeature] {
  Dictionary(
    uniqueKeysWithValues: signature.map { item in
      let ranges = item.shape.map { size in
        switch size {
        case .fixed(let fixed): fixed...fixed
        case .varying(_, let least, let most, _): least...most
        }
      }
      let feature = ModelFeature(
        dtype: item.dtype, shape: .ranges(ranges), isOptional: item.optional)
      return (item.name, feature)
    })
}

/// Outputs of the shapes that the inputs ask for.
private func ones(
  _ signature: Manifest.Component, _ inputs: [String: Tensor], _ value: Float
) -> [String: Tensor] {
  var sizes: [String: Int] = [:]
  for item in signature.inputs {
    for (size, own) in zip(item.shape, inputs[item.name]?.shape ?? []) {
      if case .varying(let name, _, _, _) = size { sizes[name] = own }
    }
  }
  // Hidden states are as long as the prompt.
  if let tokens = sizes["T"] { sizes["N"] = tokens }
  let outputs = signature.outputs.map { item in
    let shape = item.shape.map { size in
      switch size {
      case .fixed(let fixed): fixed
      case .varying(let name, _, _, let standard): sizes[name] ?? standard
      }
    }
    let values = [Float](repeating: value, count: shape.reduce(1, *))
    return (item.name, Tensor(shape: shape, .float32(values)))
  }
  return Dictionary(uniqueKeysWithValues: outputs)
}

/// A component on MLX that gives ones.
actor FakeComponent: Session {
  private let name: String
  private let core: FakeCoreML
  private var isOpen = true

  init(_ name: String, _ core: FakeCoreML) async throws {
    (self.name, self.core) = (name, core)
    do {
      try await core.phone.begin(.load(name))
    } catch {
      core.phone.failed(name)
      throw error
    }
  }

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try await core.phone.begin(.run(name))
    return try ones(core.manifest.component(name), inputs, 1)
  }

  func close() async {
    if isOpen { core.phone.end(name) }
    isOpen = false
  }
}

/// A language model that says one token over and over.
actor FakeLanguageModel: LanguageModelSession {
  private let core: FakeCoreML
  private var isOpen = true

  init(_ core: FakeCoreML) async throws {
    self.core = core
    do {
      try await core.phone.begin(.load("llm"))
    } catch {
      core.phone.failed("llm")
      throw error
    }
  }

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try await core.phone.begin(.run("llm"))
    let made = try ones(core.manifest.component("llm"), inputs, 1)
    return made.filter { $0.key == "stacked_hidden_states" || $0.key == "logits" }
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    try await core.phone.begin(.run("llm"))
    return logits
  }

  func step(_ token: Int) async throws -> Tensor {
    try await core.phone.begin(.run("llm"))
    return logits
  }

  func close() async {
    if isOpen { core.phone.end("llm") }
    isOpen = false
  }

  private var logits: Tensor {
    let size = core.manifest.content["model"]?["llm"]?["vocab_size"]?.integer ?? 0
    return Tensor(shape: [1, size], .float32((0..<size).map { $0 == 70 ? 1 : 0 }))
  }
}
