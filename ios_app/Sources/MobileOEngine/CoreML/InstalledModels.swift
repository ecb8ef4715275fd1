import Foundation
import MobileO

/// What is compiled of a bundle: `installed.json` in the store's folder of that bundle.
public struct InstalledModels: Sendable, Equatable {
  /// One compiled model.
  public struct Model: Sendable, Equatable {
    /// Its folder's name.
    public let name: String
    /// Over what the manifest lists of the package that it was made from.
    public let source: String
    /// What it consists of, with sizes in bytes and sha256 in hexadecimal, by path below its folder.
    public let files: [Manifest.File]
    /// How long compiling took.
    public let compileSeconds: Double
    /// How long loading took when the system had to prepare the model for this device, the last time.
    public internal(set) var coldLoadSeconds: Double?
    /// How long loading took when it had that from before, the last time.
    public internal(set) var warmLoadSeconds: Double?
    /// The system that loaded it last: another one prepares it anew.
    public internal(set) var system: String?

    /// In bytes.
    public var size: Int { files.reduce(0) { $0 + $1.size } }
  }

  static let fileName = "installed.json"
  private static let format = "mobileo-installed"
  private static let version = 1

  /// The bundle's identity.
  public let identity: String
  /// By component.
  public internal(set) var models: [String: Model]

  init(identity: String, models: [String: Model] = [:]) {
    (self.identity, self.models) = (identity, models)
  }

  /// What the file in `folder` says; nil if there is none, or none that can be relied on.
  static func read(_ folder: String, identity: String) -> InstalledModels? {
    guard let content = try? Files.json(folder + "/" + fileName),
      let read = try? InstalledModels(FieldReader(content, at: fileName)),
      read.identity == identity
    else { return nil }
    return read
  }

  private init(_ reader: FieldReader) throws {
    guard try reader.string("format") == Self.format, try reader.integer("version") == Self.version
    else { throw reader.failure("is of another version") }
    identity = try reader.string("identity")
    models = try Dictionary(
      reader.object("models").members().map { name, model in (name, try Model(model)) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The file's bytes.
  var bytes: [UInt8] {
    let content: JSONValue = [
      "format": .string(Self.format), "version": .integer(Self.version),
      "identity": .string(identity),
      "models": .object(
        JSONObject(models.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) })),
    ]
    return Array((content.text + "\n").utf8)
  }
}

extension InstalledModels.Model {
  /// In bytes; no file of a model comes near it.
  private static let largest = 1 << 40

  fileprivate init(_ reader: FieldReader) throws {
    name = try reader.string("name")
    source = try reader.string("source_sha256")
    files = try reader.array("files").map { file in
      try Manifest.File(
        path: file.string("path"), size: file.integer("size"), sha256: file.string("sha256"))
    }
    guard files.allSatisfy({ (0...Self.largest).contains($0.size) }) else {
      throw reader.failure("has a file of a size that none has")
    }
    compileSeconds = try reader.double("compile_seconds")
    func seconds(_ key: String) throws -> Double? {
      try reader.optional(key).map { _ in try reader.double(key) }
    }
    coldLoadSeconds = try seconds("cold_load_seconds")
    warmLoadSeconds = try seconds("warm_load_seconds")
    system = try reader.optional("system").map { _ in try reader.string("system") }
  }

  fileprivate var json: JSONValue {
    let files = files.map { file -> JSONValue in
      ["path": .string(file.path), "size": .integer(file.size), "sha256": .string(file.sha256)]
    }
    var members: [(key: String, value: JSONValue)] = [
      ("name", .string(name)), ("source_sha256", .string(source)), ("files", .array(files)),
      ("compile_seconds", .number(compileSeconds)),
    ]
    if let coldLoadSeconds { members.append(("cold_load_seconds", .number(coldLoadSeconds))) }
    if let warmLoadSeconds { members.append(("warm_load_seconds", .number(warmLoadSeconds))) }
    if let system { members.append(("system", .string(system))) }
    return .object(JSONObject(members))
  }
}
