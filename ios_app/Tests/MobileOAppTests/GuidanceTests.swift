import Foundation
import MobileO
import Testing

/// Guidance where the transformer takes both branches in one call.
@Suite struct GuidanceTests {
  /// What a toy draws, and how often its transformer is called; it takes `rows` in one call.
  private static func draw(rows: Int, guidance: Double) async throws -> (Picture?, calls: Int) {
    let scratch = try ToyBundle.made()
    let path = scratch.path + "/" + Manifest.fileName
    let batch: JSONValue = ["name": "B", "min": 1, "max": .integer(rows), "default": 1]
    func wider(_ tensors: JSONValue) -> JSONValue {
      .array(
        (tensors.array ?? []).map { tensor in
          tensor.replacing("shape") { shape in .array([batch] + (shape.array ?? []).dropFirst()) }
        })
    }
    let content = try Files.json(path)
    let changed = content.replacing("components") { components in
      components.replacing("dit") {
        $0.replacing("inputs", wider).replacing("outputs", wider)
      }
    }
    try Files.write(Array((rows == 1 ? content : changed).text.utf8), to: path)
    let engine = try ToyEngine(scratch.path)
    let model = try await MobileO(bundle: URL(fileURLWithPath: scratch.path), engine: engine)
    var drawn: Picture?
    let events = model.generate("a red circle", steps: 5, guidance: guidance, seed: 7)
    for try await case .picture(let made) in events { drawn = made.picture }
    return (drawn, engine.calls.count { $0 == "run dit" })
  }

  @Test func bothBranchesGoInOneCallAndThePictureIsTheSame() async throws {
    let apart = try await Self.draw(rows: 1, guidance: 3)
    let together = try await Self.draw(rows: 2, guidance: 3)
    #expect(apart.calls == 10 && together.calls == 5)
    #expect(apart.0 != nil && apart.0 == together.0)
  }

  @Test func withoutGuidanceThereIsOneBranch() async throws {
    let apart = try await Self.draw(rows: 1, guidance: 1)
    let together = try await Self.draw(rows: 2, guidance: 1)
    #expect(apart.calls == 5 && together.calls == 5 && apart.0 == together.0)
  }
}
