import Foundation

/// The golden trace of a bundle, opened: an index that fits its schema, its files and itself, and the
/// arrays that it refers to. See docs/golden.md.
public struct GoldenTrace: Sendable {
  /// The version of the format that this release reads.
  public static let formatVersion = 1
  static let largest = 64_000_000
  private static let largestIndex = 1 << 26
  private static let mostNoise = 1 << 20

  let entries: [GoldenEntry]
  let runs: [GoldenRun]
  let parts: JSONValue
  /// By name, see docs/golden.md.
  public let gates: [String: Gate]
  private let files: [String: Data]

  /// The names of the runs, in order.
  public var runNames: [String] { runs.map(\.name) }

  /// What the user wrote first in a run; empty if there is no such run.
  public func text(of run: String) -> String {
    runs.first { $0.name == run }?.texts.first ?? ""
  }

  /// How the picture of a run was drawn; nil of one that draws none, and where there is no such run.
  public func drawing(of run: String) -> (steps: Int, guidance: Double, seed: UInt64)? {
    let found = runs.first { $0.name == run }?.drawing
    return found.map { ($0.steps, $0.guidance, $0.seed) }
  }

  /// Opens the trace of the bundle in `folder`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: there is none, or its index cannot be trusted.
  public init(folder: String, manifest: Manifest) throws {
    guard let golden = manifest.golden else {
      throw MobileOError(
        .bundle,
        "\(folder): holds no golden trace; add one with mobileo-export record \(folder) "
          + "--checkpoint CHECKPOINT")
    }
    let path = folder + "/" + golden.index
    guard golden.formatVersion == Self.formatVersion else {
      throw MobileOError(
        .bundle,
        "\(path): format version \(golden.formatVersion), this release reads "
          + "\(Self.formatVersion); record it again, or update the MobileO package")
    }
    do {
      if Files.kind(path) == .link, Links.size(path) == nil {
        throw JSONReader.Problem(reason: "it is a link")
      }
      let index = try Files.json(path, limit: Self.largestIndex)
      guard index["format"] == "mobileo-golden" else {
        throw MobileOError(.bundle, "\(path): not the index of a golden trace; record it again")
      }
      if let problem = try SchemaCheck(indexSchema).problem(index, whole: "the index") {
        throw Self.failure(path, problem)
      }
      let fields = FieldReader(index, at: path)
      entries = try fields.array("entries").map(GoldenEntry.init)
      runs = try fields.array("runs").map(GoldenRun.init)
      parts = index["parts"] ?? .null
      gates = try Dictionary(
        uniqueKeysWithValues: fields.object("gates").members().map { ($0, try Gate($1)) })
      files = try Self.open(folder, manifest)
    } catch let problem as JSONReader.Problem {
      throw MobileOError(
        .bundle, "\(path): cannot be read as JSON (\(problem.reason)); record it again")
    }
    if let problem = problem { throw Self.failure(path, problem) }
  }

  /// The array of an entry; of a sampled one its stored part.
  func array(_ entry: Int) -> Tensor {
    let found = entries[entry]
    let shape = found.storedShape
    if found.storage == .constant {
      let values = [Float](repeating: Float(found.number), count: shape.reduce(1, *))
      return Tensor(shape: shape, .float32(values))
    }
    let data = files[found.file ?? ""] ?? Data()
    return data.withUnsafeBytes { whole in
      let raw = UnsafeRawBufferPointer(rebasing: whole[found.offset..<found.offset + found.size])
      if found.storage == .bytes {
        let scale = Float(found.number)
        return Tensor(shape: shape, .float32(raw.map { Float($0) * scale }))
      }
      if found.dtype == "uint8" { return Tensor(shape: shape, .uint8(Array(raw))) }
      let words = (0..<raw.count / 4).map {
        UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
      }
      if found.dtype == "int32" {
        return Tensor(shape: shape, .int32(words.map { Int32(bitPattern: $0) }))
      }
      return Tensor(shape: shape, .float32(words.map { Float(bitPattern: $0) }))
    }
  }

  /// The trace's files that are listed and there, mapped.
  private static func open(_ folder: String, _ manifest: Manifest) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for file in manifest.files where file.path.hasPrefix("golden/") {
      let path = folder + "/" + file.path
      let name = String(file.path.dropFirst("golden/".count))
      guard let size = Links.size(path), name.hasSuffix(".bin") else { continue }
      guard size == file.size else {
        throw MobileOError(
          .bundle,
          "\(path): \(size) bytes, the manifest lists \(file.size); record it again or download it "
            + "again")
      }
      files[name] = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
    }
    return files
  }

  /// Why what is in the index cannot be: the first thing that contradicts another.
  private var problem: String? {
    let sizes = files.mapValues(\.count)
    if let name = gates.keys.sorted().first(where: { gates[$0]?.asks == false }) {
      return "gates.\(name) asks nothing"
    }
    for shape in parts["noise"]?.array?.map({ $0["shape"]?.array ?? [] }) ?? [] {
      let count = shape.compactMap(\.double).reduce(1, *)
      if count > Double(Self.mostNoise) { return "parts.noise has a shape that no latent has" }
    }
    for (number, entry) in entries.enumerated() {
      if let problem = entry.problem(sizes) {
        return "entries[\(number)] (\(entry.name)) \(problem)"
      }
    }
    for (number, run) in runs.enumerated() {
      let draws = run.pipeline == "generate" || run.pipeline == "edit"
      if (run.drawing != nil) != draws || (run.sampling != nil) == draws {
        return "runs[\(number)] has settings of another pipeline"
      }
      for (place, call) in run.calls.enumerated() {
        if let problem = problem(call) {
          return "runs[\(number)].calls[\(place)] (\(call.stage)) \(problem)"
        }
      }
    }
    return nil
  }

  private func problem(_ call: GoldenCall) -> String? {
    guard let stage = GoldenStage.all[call.stage] else { return "is a stage that nobody knows" }
    let given = Set(call.inputs.keys)
    if !stage.inputs.isSubset(of: given) || !given.isSubset(of: stage.inputs.union(stage.optional))
    {
      return "has other inputs than its stage takes"
    }
    if Set(call.outputs.keys) != Set(stage.outputs.keys) {
      return "has other outputs than its stage gives"
    }
    if Set(call.values.keys) != stage.values { return "has other values than its stage takes" }
    let used = Array(call.inputs.values) + call.outputs.values.map(\.entry)
    if used.contains(where: { !entries.indices.contains($0) }) {
      return "refers to an entry that is not there"
    }
    if call.inputs.values.contains(where: { entries[$0].storage == .sampled }) {
      return "takes a sampled entry, which holds a part only"
    }
    if call.outputs.mapValues(\.gate) != stage.outputs
      || call.outputs.values.contains(where: { gates[$0.gate] == nil })
    {
      return "names a gate that is not there or not its own"
    }
    return nil
  }

  private static func failure(_ path: String, _ problem: String) -> MobileOError {
    MobileOError(.bundle, "\(path): \(problem); record it again or download it again")
  }
}
