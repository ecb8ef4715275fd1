import Foundation
import MobileO
import Testing

@Suite struct PipelineBenchmarkTests {
  private let drawing: Drawing

  init() throws {
    let corpus = try Files.json(Goldens.root + "/ios_app/Tests/Corpus/seal.json")
    let text = try #require(corpus["manifest"]).text
    let manifest = try Manifest(bytes: Array(text.utf8), path: "corpus")
    drawing = try Drawing(manifest.recipe, steps: 2)
  }

  @Test func nothingIsMeasuredByNoRuns() {
    for (runs, warmups, tokens) in [(0, 1, 1), (1, -1, 1), (1, 0, 0)] {
      let error = failure {
        try PipelineBenchmark(drawing, runs: runs, warmups: warmups, tokens: tokens)
      }
      #expect(error?.kind == .usage && error?.message.contains("at least 1 run") == true)
    }
  }

  @Test(.enabled(if: Goldens.bundle != nil, Goldens.noBundle))
  func everyStageOfEveryRunIsTimed() async throws {
    let folder = try #require(Goldens.bundle)
    let manifest = try Manifest(folder: folder)
    let engine = TimedEngine(ToyEngine(manifest: manifest))
    let model = try await MobileO(bundle: URL(fileURLWithPath: folder), engine: engine)
    let benchmark = try PipelineBenchmark(drawing, runs: 3, warmups: 2, tokens: 4)
    var told: [Int] = []
    let found = try await benchmark.measure(model, engine) { done, all in
      told.append(done)
      #expect(all == 6)
    }
    #expect(told == [1, 2, 3, 4, 5, 6])
    let cold = found.filter { $0.name.hasPrefix("cold_") }
    #expect(
      cold.map(\.name) == [
        "cold_dit", "cold_llm", "cold_mcp", "cold_vae_decoder", "cold_vision_encoder",
      ])
    #expect(cold.allSatisfy { $0.values.count == 1 && $0.warmups == 0 })
    let warm = found.dropFirst(cold.count)
    #expect(
      warm.map(\.name) == [
        "vision_encoder", "prefill", "time_to_first_token", "decode_rate", "llm", "mcp", "dit_step",
        "vae_decoder", "image",
      ])
    #expect(warm.allSatisfy { $0.values.count == 3 && $0.warmups == 3 })
    let image = try #require(warm.last?.least)
    let stages = warm.filter { ["llm", "mcp", "vae_decoder"].contains($0.name) }
    #expect(image * 1000 >= stages.map(\.least).reduce(0, +))
    #expect(await engine.taken().isEmpty)
  }

  @Test func theReleaseIsThatOfPython() throws {
    let text = String(
      decoding: try Files.read(Goldens.root + "/mobileo_export/__init__.py"), as: UTF8.self)
    #expect(text.contains("__version__ = \"\(Release.version)\""))
  }
}
