import Foundation
import MobileO
import Testing

@Suite struct BundleTests {
  private func json(_ text: String) throws -> JSONValue {
    try JSONReader.document(Array(text.utf8))
  }

  @Test func jsonIsReadToTheLastDigit() throws {
    #expect(try json("18446744073709551615").unsigned == .max)
    #expect(try json("-9223372036854775808").integer == .min)
    #expect(
      try json("[1, 1.0, -0.5e-3, 1e999]") == [1, .number(1), .number(-0.0005), .number(.infinity)])
    #expect(try json(#""\u00e9\ud83d\ude00\n\/""#).string == "é😀\n/")
    let twice = try json("{\"e\u{301}\": 1, \"\u{e9}\": 2}")
    #expect(twice["\u{e9}"] == 2 && twice["e\u{301}"] == 1)
    for text in [
      "{\"a\": 1, \"a\": 2}", "[1,]", "\"\\ud800\"", "\"\\u12g4\"", "[1 2]", "nul", "-", "+1",
    ] {
      #expect(throws: JSONReader.Problem.self) { try json(text) }
    }
    let value = try json(#"{"b": [], "a": {"x": "\u0001\"", "y": [true, null, 2.5]}}"#)
    #expect(try json(value.text) == value)
  }

  @Test func safetensorsAreReadExactly() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/a.safetensors"
    let header = #"""
      {"__metadata__": {"format": "mlx"}, "f": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
      "h": {"dtype": "F16", "shape": [1, 2], "data_offsets": [8, 12]},
      "b": {"dtype": "BF16", "shape": [], "data_offsets": [12, 14]},
      "u": {"dtype": "U32", "shape": [1], "data_offsets": [14, 18]}}
      """#
    let data: [UInt8] = [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0, 0x3C, 1, 0, 0xC0, 0x3F, 1, 2, 3, 4]
    try Files.write(Self.file(header, data), to: path)
    let file = try Safetensors(path: path)
    #expect(file.metadata == ["format": "mlx"])
    #expect(try file.floats("f") == Tensor(shape: [2], .float32([1, -2])))
    #expect(try file.floats("h") == Tensor(shape: [1, 2], .float32([1, 0x1p-24])))
    #expect(try file.floats("b").floats("b") == [1.5])
    #expect(try file.bytes("u") == [1, 2, 3, 4])
    #expect(failure { try file.floats("u") }?.kind == .bundle)
    #expect(failure { try file.bytes("nothing") }?.description.contains("no tensor") == true)
  }

  @Test func safetensorsThatLieAreRefused() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/a.safetensors"
    func entry(_ dtype: String, _ shape: String, _ begin: Int, _ end: Int) -> String {
      #""x\#(begin)": {"dtype": "\#(dtype)", "shape": \#(shape), "data_offsets": [\#(begin), \#(end)]}"#
    }
    let lies = [
      "[]", "{", "{\(entry("F32", "[1]", 0, 4))}", "{\(entry("F32", "[2]", 0, 12))}",
      "{\(entry("F64", "[1]", 0, 8)), \(entry("F32", "[1]", 4, 8))}",
      "{\(entry("F9", "[2]", 0, 8))}",
      "{\(entry("F32", "[-2]", 0, 8))}", "{\(entry("F32", "[4611686018427387904, 4]", 0, 8))}",
      "{\(entry("F32", "[1]", 4, 8))}", "{\(entry("F32", "[1.5]", 0, 8))}",
      "{\(entry("F32", "2", 0, 8))}", "{\"x\": 1}", "{}",
    ]
    for header in lies {
      try Files.write(Self.file(header, [UInt8](repeating: 0, count: 8)), to: path)
      let error = failure { try Safetensors(path: path) }
      #expect(error?.description.contains("not a readable safetensors file") == true, "\(header)")
    }
    let stubs: [[UInt8]] = [
      [], [1, 2, 3], [UInt8](repeating: 255, count: 8), [9, 0, 0, 0, 0, 0, 0, 0, 1],
    ]
    for bytes in stubs {
      try Files.write(bytes, to: path)
      #expect(failure { try Safetensors(path: path) }?.kind == .bundle)
    }
    #expect(failure { try Safetensors(path: scratch.path) }?.kind == .bundle)
  }

  private static func file(_ header: String, _ data: [UInt8]) -> [UInt8] {
    let text = Array(header.utf8)
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + data
  }

  @Test func imageTokensAreFoundInARow() throws {
    #expect(try Splice.span([1, 9, 2], imageToken: 9, tokens: 4) == 1..<2)
    #expect(try Splice.span([9, 9, 9, 9], imageToken: 9, tokens: 4) == 0..<4)
    for ids in [[1, 2], [9, 9, 1], [9, 1, 9, 9, 9]] {
      #expect(failure { try Splice.span(ids, imageToken: 9, tokens: 4) }?.kind == .session)
    }
  }

  @Test(.enabled(if: Goldens.bundle != nil, Goldens.noBundle))
  func whatIsUnknownIsKeptAndWhatCannotBeDrawnIsRefused() async throws {
    let bundle = try #require(Goldens.bundle)
    let manifest = try Manifest(folder: bundle)
    #expect(manifest.components.count == 5 && manifest.identity.count == 64)
    #expect(manifest.content["tools"]?.object != nil)
    #expect(manifest.components["dit"]?.artifacts.first?.path == "transformer.mlpackage")
    let trace = try GoldenTrace(folder: bundle, manifest: manifest)
    let text = String(decoding: try Files.read(bundle + "/manifest.json"), as: UTF8.self)
    let scratch = try Scratch()
    for (key, value, named) in [
      ("flow_shift", "-1e300", "flow shift"), ("num_train_timesteps", "99999999999", "timesteps"),
      ("image_size", "99999999999", "encoder takes"),
    ] {
      let pattern = "\"\(key)\": [0-9.]+"
      let changed = text.replacingOccurrences(
        of: pattern, with: "\"\(key)\": \(value)", options: .regularExpression)
      try Files.write(Array(changed.utf8), to: scratch.path + "/manifest.json")
      do {
        let engine = try ReplayEngine(trace, run: "generate")
        _ = try await MobileO(bundle: URL(fileURLWithPath: scratch.path), engine: engine)
        Issue.record("\(key) is let pass")
      } catch {
        #expect((error as? MobileOError)?.description.contains(named) == true, "\(error)")
      }
    }
  }
}
