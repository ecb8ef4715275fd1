import Foundation
import MobileO
import MobileOEngine
import Testing

/// A folder that is gone when the test is.
final class Scratch: Sendable {
  let url: URL

  init() throws {
    url = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent(
      "mobileo-engine-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}

/// A bundle of tiny shapes, with packages that hold a few bytes each.
enum ToyBundle {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let packages = ["connector", "transformer", "vae_decoder", "vision_encoder"]

  /// - Parameters:
  ///   - weights: of each package, in bytes.
  ///   - seal: changes what the manifest says.
  static func make(
    at folder: URL, weights: Int = 64, seal: (JSONValue) -> JSONValue = { $0 }
  ) throws {
    let manager = FileManager.default
    let llm = folder.path + "/llm"
    try manager.createDirectory(atPath: llm, withIntermediateDirectories: true)
    for name in ["tokenizer.json", "tokenizer_config.json", "added_tokens.json", "config.json"] {
      try manager.copyItem(
        atPath: root + "/mobileo_export/assets/miniature/" + name, toPath: llm + "/" + name)
    }
    var files: [JSONValue] = []
    for (index, package) in packages.enumerated() {
      let path = package + ".mlpackage"
      try manager.createDirectory(
        atPath: folder.path + "/" + path, withIntermediateDirectories: true)
      let parts = [
        ("Manifest.json", Array("{\"name\": \"\(package)\"}".utf8)),
        ("weight.bin", [UInt8](repeating: UInt8(index), count: weights)),
      ]
      for (name, bytes) in parts {
        try Data(bytes).write(to: folder.appendingPathComponent(path + "/" + name))
        files.append([
          "path": .string(path + "/" + name), "size": .integer(bytes.count),
          "sha256": .string(SHA256Digest.of(bytes)),
        ])
      }
    }
    let plain = try Files.json(root + "/ios_app/Tests/MobileOAppTests/Bundle/manifest.json")
    let manifest = seal(plain.replacing("files") { _ in .array(files) })
    try Data(manifest.text.utf8).write(to: folder.appendingPathComponent(Manifest.fileName))
  }
}

/// Events, as they come from any thread.
final class Heard: @unchecked Sendable {
  private let lock = NSLock()
  private var all: [DeviceEvent] = []

  func add(_ event: DeviceEvent) { lock.withLock { all.append(event) } }
  var events: [DeviceEvent] { lock.withLock { all } }
  var drops: Int {
    events.count { event in
      if case .dropped = event { return true }
      return false
    }
  }
}

/// An engine on a phone, with everything that is around it.
final class Bench: Sendable {
  let scratch: Scratch
  let manifest: Manifest
  let phone: Phone
  let core: FakeCoreML
  let gate = CallGate()
  let heard = Heard()
  let engine: DeviceEngine
  let model: MobileO
  private let warn: AsyncStream<DeviceSystem.MemoryWarning>.Continuation

  var bundle: URL { scratch.url.appendingPathComponent("bundle") }
  var store: URL { scratch.url.appendingPathComponent("Bundles") }

  init(
    limit: Int = 1 << 40, _ sizes: [String: Footprint] = Preset.all[0].footprints,
    settings: DeviceSettings = DeviceSettings(reserve: 0),
    seal: (JSONValue) -> JSONValue = { $0 }
  ) async throws {
    scratch = try Scratch()
    let folder = scratch.url.appendingPathComponent("bundle")
    try ToyBundle.make(at: folder, seal: seal)
    let manifest = try Manifest(folder: folder.path)
    let phone = Phone(limit: limit, sizes)
    let core = FakeCoreML(manifest, phone)
    let (stream, warn) = AsyncStream.makeStream(of: DeviceSystem.MemoryWarning.self)
    let heard = heard
    // Nobody pulls the plug here, and waiting for the disk at every load takes minutes.
    var disk = StoreDisk.real
    disk.write = { try Data($1).write(to: URL(fileURLWithPath: $0)) }
    engine = try DeviceEngine(
      bundle: folder, store: scratch.url.appendingPathComponent("Bundles"), runtime: core,
      system: DeviceSystem(
        footprint: { phone.peak }, headroom: { phone.headroom }, memoryWarnings: { stream }),
      settings: settings, gate: gate, footprints: sizes, patience: .milliseconds(1),
      disk: disk,
      report: { heard.add($0) }, component: { name, _, _, _ in try await FakeComponent(name, core) }
    ) { _, _, _ in try await FakeLanguageModel(core) }
    (self.manifest, self.phone, self.core, self.warn) = (manifest, phone, core, warn)
    model = try await MobileO(bundle: folder, engine: engine)
    gate.scene(isActive: true)
    _ = gate.open()
  }

  /// Warns of memory, and waits until the engine has done what it does then.
  func warnOfMemory() async {
    let before = heard.drops
    warn.yield(.warning)
    for _ in 0..<100_000 where heard.drops == before { await Task.yield() }
    #expect(heard.drops == before + 1, "a warning was not answered")
  }

  static let photo: Picture = {
    // swift-format-ignore
    return try! Picture(width: 21, height: 13, rgb: (0..<21 * 13 * 3).map { UInt8($0 % 251) })
  }()

  /// Does a task, small; what came of it, and the last step that was told.
  @discardableResult func follow(
    _ task: PipelineTask, onStep: (Int) -> Void = { _ in }
  ) async throws -> (result: String, step: Int) {
    var (result, last) = ("", 0)
    let how = try Sampling(model.recipe, maxNewTokens: 4)
    switch task {
    case .chat: result = try await model.chat(["hello"], how).text
    case .ask: result = try await model.ask(Self.photo, "what is it?", how).text
    case .draw(let guided), .edit(let guided):
      let guidance = guided ? 2.0 : 1.0
      let stream =
        if case .draw = task {
          model.generate("a red circle", steps: 3, guidance: guidance, seed: 7)
        } else {
          model.edit(Self.photo, "make it blue", steps: 3, guidance: guidance, seed: 7)
        }
      for try await event in stream {
        if case .step(let step, _, _) = event {
          last = step
          onStep(step)
        }
        if case .picture(let drawn) = event { result = "\(drawn.picture.rgb.hashValue)" }
      }
    }
    return (result, last)
  }
}

/// The error of ours that `body` throws.
func failing(_ body: () async throws -> Void) async -> MobileOError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? MobileOError
  }
}
