import Foundation
import MobileO
import MobileOEngine
import Testing

/// Bundles for Core AI out of what Python recorded: see ios_app/Tests/Python/core_ai.py.
struct AssetCorpus {
  /// Of the language model: what was asked, and what its functions were given and gave.
  struct Recorded {
    let name: String
    let acts: [JSONValue]
    let calls: [JSONValue]
  }

  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  let manifest: JSONValue
  let sessions: [Recorded]
  /// What Apple's runtime says of the functions of each asset, by its file's name.
  let functions: [String: [String: AssetFunction]]
  let arrays: Safetensors

  init() throws {
    let folder = MLXFolders.corpora
    let corpus = try Files.json(folder + "/core_ai.json")
    manifest = try #require(corpus["manifest"])
    sessions = (corpus["sessions"]?.array ?? []).map { item in
      Recorded(
        name: item["name"]?.string ?? "", acts: item["acts"]?.array ?? [],
        calls: item["calls"]?.array ?? [])
    }
    functions = Dictionary(
      uniqueKeysWithValues: (corpus["assets"]?.object?.members ?? []).map { path, functions in
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return (name, functions.byName.mapValues(AssetFunction.init(recorded:)))
      })
    arrays = try Safetensors(path: folder + "/core_ai.safetensors")
  }

  /// Makes a bundle in a folder: the manifest as `seal` changes it, the tokenizer, and assets of a few
  /// bytes each.
  func make(at folder: URL, seal: (JSONValue) -> JSONValue = { $0 }) throws {
    let manager = FileManager.default
    let llm = folder.path + "/llm"
    try manager.createDirectory(atPath: llm, withIntermediateDirectories: true)
    for name in ["tokenizer.json", "tokenizer_config.json", "added_tokens.json"] {
      try manager.copyItem(
        atPath: Self.root + "/mobileo_export/assets/miniature/" + name, toPath: llm + "/" + name)
    }
    let manifest = seal(manifest)
    for (name, component) in manifest["components"]?.object?.members ?? [] {
      let path = component["artifacts"]?.array?.first?["path"]?.string ?? ""
      try Self.asset(
        at: folder.path + "/" + (name == "llm" ? "llm/model.aimodel" : path), Array(name.utf8))
    }
    try Data(manifest.text.utf8).write(to: folder.appendingPathComponent(Manifest.fileName))
  }

  private static func asset(at path: String, _ weights: [UInt8]) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let program = [0x4D, 0x4C, 0xEF, 0x52] + weights
    let digest = SHA256Digest.of(program)
    let bytes = stride(from: 0, to: digest.count, by: 2).map { place in
      UInt8(digest.dropFirst(place).prefix(2), radix: 16) ?? 0
    }
    try Files.write(program, to: path + "/main.mlirb")
    try Files.write(bytes, to: path + "/main.hash")
    try Files.write(Array("{}".utf8), to: path + "/metadata.json")
  }
}

extension JSONValue {
  /// The members of an object.
  var byName: [String: JSONValue] {
    Dictionary(uniqueKeysWithValues: (object?.members ?? []).map { ($0.key, $0.value) })
  }
}

extension AssetFunction {
  fileprivate init(recorded: JSONValue) {
    func features(_ side: String) -> [String: ModelFeature] {
      (recorded[side]?.byName ?? [:]).mapValues { item in
        // A size that varies is -1.
        let ranges = (item.array?.last?.array ?? []).compactMap(\.integer).map { size in
          size < 0 ? 1...Int.max : size...size
        }
        return ModelFeature(dtype: item.array?.first?.string ?? "", shape: .ranges(ranges))
      }
    }
    self.init(inputs: features("inputs"), outputs: features("outputs"))
  }
}

/// Core AI without Core AI: an asset has the functions that Apple's runtime says it has, unless they are
/// changed, and gives ramps of the shapes that the manifest says of its outputs.
final class FakeCoreAI: CoreAIRuntime, @unchecked Sendable {
  /// One call of a function, and what it was given.
  struct Call: Sendable, Equatable {
    let asset: String
    let function: String
    let inputs: [String: Tensor]
  }

  private let manifest: Manifest
  private let lock = NSLock()
  private var state = State()

  struct State {
    var calls: [Call] = []
    var options: [String: AssetOptions] = [:]
    var loaded: Set<String> = []
    /// By asset.
    var functions: [String: [String: AssetFunction]] = [:]
    /// Assets that cannot be loaded, and functions that fail.
    var broken: Set<String> = []
    var failing: Set<String> = []
    /// What a call gives instead of ramps.
    var answer: (@Sendable (_ number: Int) throws -> [String: Tensor])?
  }

  init(_ manifest: Manifest, _ functions: [String: [String: AssetFunction]]) {
    self.manifest = manifest
    state.functions = functions
  }

  func set(_ change: (inout State) -> Void) { lock.withLock { change(&state) } }
  var now: State { lock.withLock { state } }

  func load(_ asset: URL, _ options: AssetOptions) async throws -> any CoreAIModel {
    let name = asset.lastPathComponent
    if now.broken.contains(name) { throw SystemFailure("it is no model") }
    guard let functions = now.functions[name] else { throw SystemFailure("no such asset") }
    set { state in
      state.options[name] = options
      state.loaded.insert(name)
    }
    return FakeAsset(name, functions, self)
  }

  fileprivate func run(
    _ asset: String, _ function: String, _ inputs: [String: Tensor], _ outputs: [TensorSignature]
  ) throws -> [String: Tensor] {
    if now.failing.contains(function) { throw SystemFailure("the GPU is gone") }
    let (answer, number) = lock.withLock {
      state.calls.append(Call(asset: asset, function: function, inputs: inputs))
      return (state.answer, state.calls.count)
    }
    if let answer { return try answer(number - 1) }
    return Dictionary(
      uniqueKeysWithValues: outputs.map { item in
        let length =
          inputs["stacked_hidden_states"]?.shape[2]
          ?? (inputs["position_ids"] ?? inputs["input_ids"])?.shape[1] ?? 1
        let shape = item.shape.map { size in
          if case .fixed(let fixed) = size { fixed } else { length }
        }
        return (item.name, ramp(shape, number))
      })
  }

  fileprivate func outputs(_ asset: String, _ function: String) -> [TensorSignature] {
    if asset == "model.aimodel" {
      return manifest.components["llm"]?.artifacts.first?.graphs.first { $0.name == function }?
        .outputs ?? []
    }
    return manifest.components.values.first { $0.artifacts.first?.path == asset }?.outputs ?? []
  }

  fileprivate func end(_ asset: String) { set { $0.loaded.remove(asset) } }
}

private final class FakeAsset: CoreAIModel {
  let functions: [String: AssetFunction]
  private let name: String
  private let core: FakeCoreAI

  init(_ name: String, _ functions: [String: AssetFunction], _ core: FakeCoreAI) {
    (self.name, self.functions, self.core) = (name, functions, core)
  }

  deinit { core.end(name) }

  func run(_ function: String, _ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try core.run(name, function, inputs, core.outputs(name, function))
  }
}

/// As core_ai.py computes them.
func ramp(_ shape: [Int], _ call: Int) -> Tensor {
  let count = shape.reduce(1, *)
  return Tensor(shape: shape, .float32((0..<count).map { Float(($0 * 7 + call) % 251) / 251 }))
}

extension Tensor {
  /// Type, shape and sha256 of the numbers, as core_ai.py writes them.
  var described: JSONValue {
    let bytes =
      switch values {
      case .float32(let values): values.withUnsafeBytes { Array($0) }
      case .int32(let values): values.withUnsafeBytes { Array($0) }
      case .uint8(let values): values
      }
    return [.string(dtype), .array(shape.map { .integer($0) }), .string(SHA256Digest.of(bytes))]
  }
}

/// An engine on a system of a release, with Core AI as `settings` have it.
struct AssetBench {
  let scratch: Scratch
  let manifest: Manifest
  let core: FakeCoreAI
  let engine: DeviceEngine
  let model: MobileO

  var bundle: URL { scratch.url.appendingPathComponent("bundle") }

  init(
    _ corpus: AssetCorpus, coreAI: CoreAIUnits? = .all, release: [Int] = [27, 0, 0],
    limit: Int = 1 << 40, seal: (JSONValue) -> JSONValue = { $0 }
  ) async throws {
    scratch = try Scratch()
    let folder = scratch.url.appendingPathComponent("bundle")
    try corpus.make(at: folder, seal: seal)
    manifest = try Manifest(folder: folder.path)
    let core = FakeCoreAI(manifest, corpus.functions)
    self.core = core
    let gate = CallGate()
    engine = try DeviceEngine(
      bundle: folder, store: scratch.url.appendingPathComponent("Bundles"),
      runtime: FakeCoreML(manifest),
      system: DeviceSystem(
        release: { release }, footprint: { 0 }, headroom: { limit }),
      settings: DeviceSettings(coreAI: coreAI, reserve: 0), gate: gate,
      patience: .milliseconds(1), coreAI: { core })
    model = try await MobileO(bundle: folder, engine: engine)
    gate.scene(isActive: true)
    _ = gate.open()
  }
}
