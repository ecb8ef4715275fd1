import Foundation
import MobileO
import MobileOEngine
import Testing

/// MLX folders of components, whole and damaged, as `ios_app/Tests/Python/component_folders.py` wrote them:
/// Python judges the same ones in tests/artifacts/mlx.
@Suite struct MLXComponentTests {
  /// The corpus of components.
  private struct Corpus {
    private let content: JSONValue
    var cases: [JSONValue] { content["cases"]?.array ?? [] }
    var folders: [(key: String, value: JSONValue)] { content["folders"]?.object?.members ?? [] }

    init() throws { content = try Files.json(MLXFolders.corpora + "/components.json") }

    /// Makes the bundle of a case, its tensors all zero: the component and its folder.
    func build(_ root: String, _ item: JSONValue) throws -> (component: String, folder: String) {
      let folder = try #require(content["folders"]?[item["folder"]?.string ?? ""])
      let path = root + "/" + (folder["path"]?.string ?? "")
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      try MLXFolders.write(folder, item, content["manifest"], root: root, to: path)
      return (folder["component"]?.string ?? "", path)
    }
  }

  /// The weights of a folder, as they are planned.
  private static func weights(
    _ component: String, _ folder: String, _ manifest: Manifest
  ) throws -> WeightFile {
    switch component {
    case "mcp":
      try ComponentPlan<MCPConfiguration>(folder: folder, manifest: manifest).weights
    case "dit":
      try ComponentPlan<DiTConfiguration>(folder: folder, manifest: manifest).weights
    case "vae_decoder":
      try ComponentPlan<VAEDecoderConfiguration>(folder: folder, manifest: manifest).weights
    default:
      try ComponentPlan<VisionEncoderConfiguration>(folder: folder, manifest: manifest).weights
    }
  }

  @Test func verdictsAreThoseOfPython() throws {
    let corpus = try Corpus()
    var (whole, refused) = (0, 0)
    for item in corpus.cases {
      let name = item["name"]?.string ?? ""
      let scratch = try MLXScratch()
      let (component, folder) = try corpus.build(scratch.path, item)
      do {
        _ = try Self.weights(component, folder, Manifest(folder: scratch.path))
        #expect(item["refused"]?.isNull == true, "\(name): is accepted")
        whole += 1
      } catch let error as MobileOError {
        let part = try #require(item["refused"]?.string, "\(name): \(error)")
        #expect(error.kind == .bundle, "\(name)")
        #expect(error.description.contains(part), "\(name): \(error) says nothing of \(part)")
        #expect(!error.description.contains("\n"), "\(name)")
        refused += 1
      }
    }
    #expect(whole == 12 && refused >= 200)
    print("committed: \(whole + refused) MLX folders of components judged as Python judges them")
  }

  @Test func plansAreThoseOfPython() throws {
    let corpus = try Corpus()
    for (name, facts) in corpus.folders {
      let scratch = try MLXScratch()
      let (component, folder) = try corpus.build(scratch.path, ["folder": .string(name)])
      let plan = try Self.weights(component, folder, Manifest(folder: scratch.path))
      let expected = facts["parameters"]?.object?.members ?? []
      #expect(expected.count > 20 && plan.parameters.count == expected.count, "\(name)")
      for (parameter, fact) in expected {
        let found = try #require(plan.parameters[parameter], "\(name): \(parameter)")
        #expect(found.shape == fact.array?[0].array?.compactMap(\.integer), "\(name): \(parameter)")
        let bits = [found.quantization?.bits ?? 16, found.quantization?.groupSize ?? 0]
        #expect(bits == fact.array?[1...].compactMap(\.integer), "\(name): \(parameter)")
      }
    }
  }

  /// Loading fails before MLX is asked for anything: the stand-in would trap.
  @Test func loadingAWrongFolderIsATypedError() async throws {
    let corpus = try Corpus()
    for name in ["vision_encoder", "mcp", "dit", "vae_decoder"] {
      let scratch = try MLXScratch()
      let (component, folder) = try corpus.build(
        scratch.path,
        ["folder": .string(name + ", mlx"), "tensors": ["virus": ["F16", [3]]]])
      let manifest = try Manifest(folder: scratch.path)
      let error = await #expect(throws: MobileOError.self) {
        try await MLXComponent.load(
          component, folder: URL(fileURLWithPath: folder), manifest: manifest,
          allowsReducedPrecision: false)
      }
      #expect(error?.description.contains("tensor virus is unexpected") == true)
    }
    let scratch = try MLXScratch()
    let (_, folder) = try corpus.build(scratch.path, ["folder": "dit, mlx"])
    let manifest = try Manifest(folder: scratch.path)
    for (name, part) in [("llm", "no component that MLX runs"), ("mcp", "says model_type")] {
      let error = await #expect(throws: MobileOError.self) {
        try await MLXComponent.load(
          name, folder: URL(fileURLWithPath: folder), manifest: manifest,
          allowsReducedPrecision: false)
      }
      #expect(error?.description.contains(part) == true)
    }
  }

  @Test func aBundleWithoutAnMLXFolderIsRefusedByName() throws {
    let corpus = try Corpus()
    let scratch = try MLXScratch()
    let (component, folder) = try corpus.build(
      scratch.path,
      ["folder": "dit, mlx", "manifest": ["components.dit.artifacts.0.kind": "onnx"]])
    let error = #expect(throws: MobileOError.self) {
      try Self.weights(component, folder, Manifest(folder: scratch.path))
    }
    #expect(error?.description.contains("no dit for MLX; export it with --target mlx") == true)
  }

  @Test func aSignatureThatIsNotOfTheConfigurationIsRefused() throws {
    let corpus = try Corpus()
    for (name, path, value): (String, String, JSONValue) in [
      ("dit", "components.dit.inputs.0.shape.1", 9),
      ("dit", "components.dit.inputs.1.name", "time"),
      ("mcp", "components.mcp.inputs.0.shape.1", 9),
      ("vae_decoder", "components.vae_decoder.outputs.0.shape.1", 4),
      ("vision_encoder", "components.vision_encoder.outputs.0.shape.1", 5),
    ] {
      let scratch = try MLXScratch()
      let (component, folder) = try corpus.build(
        scratch.path,
        ["folder": .string(name + ", mlx"), "manifest": .object(JSONObject([(path, value)]))])
      let error = #expect(throws: MobileOError.self, "\(path)") {
        try Self.weights(component, folder, Manifest(folder: scratch.path))
      }
      #expect(error?.description.contains("signature") == true, "\(path)")
    }
  }
}
