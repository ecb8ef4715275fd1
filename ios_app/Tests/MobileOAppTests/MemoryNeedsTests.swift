import Foundation
import MobileO
import MobileOApp
import Testing

/// What a bundle says of the memory that it takes, and what is offered where that is too much.
@Suite struct MemoryNeedsTests {
  /// The toy's manifest with files of these sizes in bytes, its artifacts of `kind`.
  private static func manifest(
    _ sizes: [String: Int], kind: String = "mlpackage", averageBits: Double? = nil
  ) throws -> Manifest {
    let scratch = try ToyBundle.made()
    let plain = try Files.json(scratch.path + "/" + Manifest.fileName)
    let files = sizes.sorted { $0.key < $1.key }.map { path, size -> JSONValue in
      [
        "path": .string(path + "/weights"), "size": .integer(size),
        "sha256": .string(String(repeating: "0", count: 64)),
      ]
    }
    let content = plain.replacing("files") { _ in .array(files) }
      .replacing("components") { components in
        components.replacingEach { name, component in
          component.replacing("artifacts") { artifacts in
            .array(
              (artifacts.array ?? []).map { artifact in
                let options: JSONValue = averageBits.map { ["average_bits": .number($0)] } ?? [:]
                let kind = name == "llm" ? "mlx" : kind
                let others = (artifact.object?.members ?? []).filter { $0.key != "kind" }
                return .object(JSONObject(others + [("kind", .string(kind))]))
                  .replacing("path") { _ in .string(name) }.replacing("options") { _ in options }
              })
          }
        }
      }
    return try Manifest(bytes: Array(content.text.utf8), path: "manifest.json")
  }

  /// Stored in 8 bits: of 0.5B's size.
  static let sizes = [
    "dit": 630_000_000, "vae_decoder": 160_000_000, "vision_encoder": 130_000_000, "mcp": 5_000_000,
    "llm": 690_000_000,
  ]

  @Test func coreMLMayWidenAndMLXDoesNot() throws {
    let packages = try Self.manifest(Self.sizes, kind: "mlpackage", averageBits: 8)
    let folders = try Self.manifest(Self.sizes, kind: "mlx", averageBits: 8)
    let wide = try #require(MemoryNeeds(packages))
    let narrow = try #require(MemoryNeeds(folders))
    #expect(wide.drawing > 4 * 630_000_000 && narrow.drawing < 700_000_000)
    #expect(narrow.whole < 1_650_000_000 && wide.whole > 3_700_000_000)
    let room = 2_100_000_000
    #expect(wide.fit(room) == .offersMLX && narrow.fit(room) == .whole)
    #expect(wide.fit(3_000_000_000) == .inTurns && wide.fit(.max) == .whole)
    let assets = try #require(MemoryNeeds(try Self.manifest(Self.sizes, kind: "aimodel")))
    #expect(assets.fit(assets.drawing - 1) == .offersMLX && assets.drawing == narrow.drawing)
    #expect(narrow.fit(1_000_000_000) == .inTurns && narrow.fit(500_000_000) == .tooLarge)
    #expect(narrow.fit(narrow.whole) == .whole && narrow.fit(narrow.whole - 1) == .inTurns)
    #expect(narrow.fit(narrow.drawing) == .inTurns && narrow.fit(narrow.drawing - 1) == .tooLarge)
  }

  @Test func sizesOutOfAFileMayBeAnything() throws {
    let huge = Dictionary(uniqueKeysWithValues: Self.sizes.keys.map { ($0, Int.max) })
    let needs = try #require(MemoryNeeds(try Self.manifest(huge)))
    #expect(needs.drawing == .max && needs.whole == .max && needs.fit(.max) == .whole)
  }

  @Test func whatDoesNotDrawHasNone() throws {
    let scratch = try ToyBundle.made()
    let plain = try Files.json(scratch.path + "/" + Manifest.fileName)
    let few = plain.replacing("components") { components in
      .object(JSONObject((components.object?.members ?? []).filter { $0.key == "llm" }))
    }
    let manifest = try Manifest(bytes: Array(few.text.utf8), path: "manifest.json")
    #expect(MemoryNeeds(manifest) == nil)
  }

  @Test func theRoomIsWhatIsTakenAndWhatMayBe() {
    var device = Device()
    #expect(device.room == nil)
    device.headroom = { 2_000 }
    #expect(device.room == 2_000)
    device.footprint = { 500 }
    #expect(device.room == 2_500)
  }
}
