import Foundation
import MobileO
import MobileOEngine
import Testing

/// MLX folders of every quantization, whole and damaged, as `ios_app/Tests/Python/folders.py` wrote them:
/// Python judges the same ones in tests/artifacts/mlx.
@Suite struct MLXPlanTests {
  @Test func verdictsAreThoseOfPython() throws {
    let corpus = try MLXFolders()
    var (whole, refused) = (0, 0)
    for item in corpus.cases {
      let name = item["name"]?.string ?? ""
      let scratch = try MLXScratch()
      try corpus.build(scratch.path, item)
      do {
        _ = try LanguageModelPlan(folder: scratch.llm, manifest: Manifest(folder: scratch.path))
        #expect(item["refused"]?.isNull == true, "\(name): is accepted")
        whole += 1
      } catch let error as MobileOError {
        let part = try #require(item["refused"]?.string, "\(name): \(error)")
        #expect(error.kind == .bundle, "\(name)")
        #expect(error.description.contains(part), "\(name): \(error) says nothing of \(part)")
        refused += 1
      }
    }
    #expect(whole >= 8 && refused >= 80)
    print("committed: \(whole + refused) MLX folders judged as Python judges them")
  }

  @Test func plansAreThoseOfPython() throws {
    let corpus = try MLXFolders()
    for (name, folder) in corpus.folders {
      let facts = folder["facts"]
      let plan = try corpus.plan(name)
      #expect(plan.states == facts?["states"]?.integer, "\(name)")
      #expect(plan.configuration.imageToken == facts?["image_token"]?.integer, "\(name)")
      #expect(plan.configuration.isTied == facts?["tied"]?.bool, "\(name)")
      let features = facts?["features"]?.array?.compactMap(\.integer)
      #expect([plan.features, plan.configuration.featureWidth] == features, "\(name)")
      let expected = facts?["parameters"]?.object?.members ?? []
      #expect(expected.count > 50)
      #expect(plan.weights.parameters.count == expected.count, "\(name)")
      for (parameter, fact) in expected {
        let found = try #require(plan.weights.parameters[parameter], "\(name): \(parameter)")
        #expect(found.shape == fact.array?[0].array?.compactMap(\.integer), "\(name): \(parameter)")
        let bits = [found.quantization?.bits ?? 16, found.quantization?.groupSize ?? 0]
        #expect(bits == fact.array?[1...].compactMap(\.integer), "\(name): \(parameter)")
      }
    }
  }

  @Test func aTiedHeadIsTheTable() throws {
    let corpus = try MLXFolders()
    let scratch = try MLXScratch()
    let item = try #require(corpus.cases.first { $0["name"] == "tied, whole" })
    try corpus.build(scratch.path, item)
    let plan = try LanguageModelPlan(folder: scratch.llm, manifest: Manifest(folder: scratch.path))
    #expect(plan.configuration.isTied)
    #expect(plan.weights.parameters[LanguageModelPlan.Name.head] == nil)
    #expect(plan.weights.parameters[LanguageModelPlan.Name.embeddings] != nil)
    let untied = try corpus.plan("8-bit")
    #expect(untied.weights.parameters[LanguageModelPlan.Name.head]?.quantization?.bits == 8)
  }

  @Test func aBundleWithoutAnMLXFolderIsRefusedByName() throws {
    let corpus = try MLXFolders()
    let scratch = try MLXScratch()
    try corpus.build(
      scratch.path, ["manifest": ["components.llm.artifacts.0.kind": "mlpackage"]])
    let error = #expect(throws: MobileOError.self) {
      try LanguageModelPlan(folder: scratch.llm, manifest: Manifest(folder: scratch.path))
    }
    #expect(error?.description.contains("no language model for MLX") == true)
  }

  @Test func aLinkThatLeadsElsewhereIsNotFollowed() throws {
    let corpus = try MLXFolders()
    let scratch = try MLXScratch()
    try corpus.build(scratch.path, [:])
    let weights = scratch.path + "/llm/model.safetensors"
    try FileManager.default.moveItem(atPath: weights, toPath: scratch.path + "/elsewhere")
    try FileManager.default.createSymbolicLink(
      atPath: weights, withDestinationPath: scratch.path + "/elsewhere")
    let error = #expect(throws: MobileOError.self) {
      try LanguageModelPlan(folder: scratch.llm, manifest: Manifest(folder: scratch.path))
    }
    #expect(error?.description.contains("model.safetensors") == true)
  }

  /// Loading fails before MLX is asked for anything: the stand-in would trap.
  @Test func loadingAWrongFolderIsATypedError() async throws {
    let corpus = try MLXFolders()
    let scratch = try MLXScratch()
    try corpus.build(scratch.path, ["tensors": ["virus": ["F16", [3]]]])
    let manifest = try Manifest(folder: scratch.path)
    let error = await #expect(throws: MobileOError.self) {
      try await MLXLanguageModel.load(
        folder: URL(fileURLWithPath: scratch.llm), manifest: manifest,
        allowsReducedPrecision: false)
    }
    #expect(error?.kind == .bundle)
    #expect(error?.description.contains("tensor virus is unexpected") == true)
  }
}
