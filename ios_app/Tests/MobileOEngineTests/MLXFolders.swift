import Foundation
import MobileO
import MobileOEngine
import Testing

/// The corpus, and bundles made of it.
struct MLXFolders {
  static let corpora =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().path + "/Corpus"
  private static let widths = ["F16": 2, "F32": 4, "BF16": 2, "U32": 4, "U8": 1]

  /// By the quantization that they have.
  let folders: [(key: String, value: JSONValue)]
  /// What becomes of them.
  let cases: [JSONValue]

  init() throws {
    let corpus = try Files.json(Self.corpora + "/folders.json")
    folders = corpus["folders"]?.object?.members ?? []
    cases = corpus["cases"]?.array ?? []
  }

  /// The plan of a whole folder.
  func plan(_ name: String) throws -> LanguageModelPlan {
    let scratch = try MLXScratch()
    try build(scratch.path, ["folder": .string(name)])
    return try LanguageModelPlan(folder: scratch.llm, manifest: Manifest(folder: scratch.path))
  }

  /// Makes the bundle of a case in an empty folder, its tensors all zero.
  func build(_ root: String, _ item: JSONValue) throws {
    let name = item["folder"]?.string ?? "8-bit"
    let folder = try #require(folders.first { $0.key == name }?.value)
    let llm = root + "/llm"
    try FileManager.default.createDirectory(atPath: llm, withIntermediateDirectories: true)
    try Self.write(folder, item, folder["manifest"], root: root, to: llm)
  }

  /// Writes a folder and its manifest as a case changes them.
  static func write(
    _ folder: JSONValue, _ item: JSONValue, _ manifest: JSONValue?, root: String, to path: String
  ) throws {
    let config = Self.changed(folder["config"], item["config"])
    let text = item["text"]?.string ?? JSONValue.object(JSONObject(config)).text
    try Files.write(Array(text.utf8), to: path + "/config.json")
    var manifest = manifest ?? .null
    for (path, value) in item["manifest"]?.object?.members ?? [] {
      manifest = Self.set(manifest, path.split(separator: ".")[...], to: value)
    }
    try Files.write(Array(manifest.text.utf8), to: root + "/manifest.json")
    try Files.write(
      Self.weights(
        Self.changed(folder["tensors"], item["tensors"]), cut: item["cut"]?.integer ?? 0),
      to: path + "/model.safetensors")
    for name in item["remove"]?.array ?? [] {
      try FileManager.default.removeItem(atPath: path + "/" + (name.string ?? ""))
    }
  }

  private static func weights(
    _ tensors: [(key: String, value: JSONValue)], cut: Int
  ) -> [UInt8] {
    var (header, end): ([(key: String, value: JSONValue)], Int) = ([], 0)
    for (name, entry) in tensors {
      let shape = entry.array?[1].array?.compactMap(\.integer) ?? []
      let size = shape.reduce(widths[entry.array?[0].string ?? ""] ?? 0, *)
      header.append(
        (
          name,
          [
            "dtype": entry.array?[0] ?? .null, "shape": entry.array?[1] ?? .null,
            "data_offsets": [.integer(end), .integer(end + size)],
          ]
        ))
      end += size
    }
    let text = Array(JSONValue.object(JSONObject(header)).line.utf8)
    let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    return length + text + [UInt8](repeating: 0, count: end - cut)
  }

  /// Members with new values; null takes one away.
  private static func changed(
    _ entries: JSONValue?, _ changes: JSONValue?
  ) -> [(key: String, value: JSONValue)] {
    let changes = changes?.object?.members ?? []
    let kept = (entries?.object?.members ?? []).filter { member in
      !changes.contains { $0.key == member.key }
    }
    return kept + changes.filter { !$0.value.isNull }
  }

  private static func set(
    _ content: JSONValue, _ path: ArraySlice<Substring>, to value: JSONValue
  ) -> JSONValue {
    guard let key = path.first else { return value }
    if var items = content.array, let place = Int(key), items.indices.contains(place) {
      items[place] = set(items[place], path.dropFirst(), to: value)
      return .array(items)
    }
    return content.replacing(String(key)) { set($0, path.dropFirst(), to: value) }
  }
}

/// A folder that is there as long as the value.
final class MLXScratch {
  let path: String
  /// The MLX folder in it.
  var llm: String { path + "/llm" }

  init() throws {
    path = NSTemporaryDirectory() + "/mobileo-mlx-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
