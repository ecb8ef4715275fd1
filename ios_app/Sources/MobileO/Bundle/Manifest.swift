import Foundation

/// What a bundle says of itself: `manifest.json`, see docs/manifest.md.
///
/// Everything in the file is kept in ``content``; the typed properties are what an app needs.
public struct Manifest: Sendable, Equatable {
  /// What `format` says in it.
  package static let format = "mobileo-bundle"
  /// The file's name in a bundle.
  public static let fileName = "manifest.json"
  /// The newest version of the format that this release reads; 1 is read too.
  public static let schemaVersion = 2

  /// The whole document, fields that this release does not know among them, in the form of
  /// ``schemaVersion``.
  public let content: JSONValue
  /// sha256 of the file: the identity of the bundle, since the manifest lists the digest of each file.
  public let identity: String
  /// Texts and numbers that make pipelines out of the components.
  public let recipe: Recipe
  /// By name: `vision_encoder`, `mcp`, `dit`, `vae_decoder`, `llm`; fewer after `--only`.
  public let components: [String: Component]
  /// Every file of the bundle but the manifest itself.
  public let files: [File]
  /// Where the golden trace's index is, of a recorded bundle.
  public let golden: Golden?

  /// One file.
  public struct File: Sendable, Equatable {
    /// Relative to the bundle, with forward slashes.
    public let path: String
    /// In bytes.
    public let size: Int
    /// In hexadecimal.
    public let sha256: String

    package init(path: String, size: Int, sha256: String) {
      (self.path, self.size, self.sha256) = (path, size, sha256)
    }
  }

  /// A recorded trace: the path of its index and the version of its format.
  public struct Golden: Sendable, Equatable {
    /// In the bundle.
    public let index: String
    /// See ``GoldenTrace/formatVersion``.
    public let formatVersion: Int
  }

  /// A part of the model: its signature, and its converted forms.
  public struct Component: Sendable, Equatable {
    /// For people.
    public let title: String
    /// How many learned numbers it has.
    public let parameters: Int
    /// What it takes.
    public let inputs: [TensorSignature]
    /// What it gives.
    public let outputs: [TensorSignature]
    /// Its converted forms.
    public let artifacts: [Artifact]
    /// What the decoder draws, about; nil of other components, and of a bundle that has none.
    public let preview: Preview?

    /// What Apple's devices run of it, with Core ML or with MLX, and where it has no form for these with
    /// Core AI; nil where it has none at all for them.
    public var onDevice: Artifact? {
      artifacts.first { ["mlpackage", "mlx"].contains($0.kind) }
        ?? artifacts.first { $0.kind == "aimodel" }
    }
  }

  /// A linear map from a latent's channels to colors, fitted when the bundle was made.
  public struct Preview: Sendable, Equatable {
    /// Of red, green and blue, a number for each channel of what the decoder takes.
    public let matrix: [[Double]]
    /// Of red, green and blue: matrix · latent + offset is the color of a place, about −1 to 1.
    public let offset: [Double]
    /// The share of the variance of the colors it was fitted to that it gives back.
    public let explained: Double

    /// - Throws: ``MobileOError`` of kind `bundle`: a row has not a number for each channel.
    init(_ entry: FieldReader, latent: TensorSignature?) throws {
      offset = try entry.doubles("offset")
      explained = try entry.double("explained")
      let rows = try entry.rows("matrix")
      matrix = rows
      guard let latent, latent.shape.count == 4, case .fixed(let channels) = latent.shape[1],
        rows.allSatisfy({ $0.count == channels })
      else {
        throw entry.failure("has a matrix without one number for each channel of the latent")
      }
    }
  }

  /// One converted form of a component.
  public struct Artifact: Sendable, Equatable {
    /// `ios`, `mlx`, `coreai` or `jetson`.
    public let target: String
    /// `mlpackage`, `mlx`, `aimodel` or `onnx`; of a manifest of version 1, which states none, what it was.
    public let kind: String
    /// In the bundle.
    public let path: String
    /// The entry of an ML Program.
    public let function: String?
    /// `float32`, `float16`, `8-bit`, `6-bit`, ….
    public let weightPrecision: String
    /// `float32` or `float16`.
    public let computePrecision: String
    /// What to ask Core ML for: `all`, `cpu_and_gpu`; of other runtimes `gpu`.
    public let computeUnits: String
    /// What to ask for where those fail, in order; nil where the manifest says nothing of it.
    public let fallbackComputeUnits: [String]?
    /// The bits that a number of a large weight takes on average where they are fewer than it is
    /// computed with; nil where the manifest says nothing of it.
    public let storedBits: Double?
    /// The least release of iOS, iPadOS and macOS, such as `27.0`; nil where the manifest says nothing of
    /// it.
    public let minimumOS: String?
    /// The graphs of an artifact that has several, in the order in which they run.
    public let graphs: [Graph]
  }

  /// A graph of an artifact, or a function of an asset.
  public struct Graph: Sendable, Equatable {
    /// What it is loaded by.
    public let name: String
    /// The file or the asset that it is in, in the bundle.
    public let path: String
    /// What it takes.
    public let inputs: [TensorSignature]
    /// What it gives.
    public let outputs: [TensorSignature]
  }

  /// The manifest of the bundle in `folder`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: there is none, it is not ours, of a version that
  ///   this release does not read, or damaged.
  public init(folder: String) throws {
    let path = folder + "/" + Self.fileName
    if Files.target(path) == .missing {
      throw MobileOError(.bundle, "\(folder): not a bundle, it has no \(Self.fileName)")
    }
    try Links.check(path)
    do {
      try self.init(bytes: Files.read(path), path: path)
    } catch let problem as JSONReader.Problem {
      throw MobileOError(
        .bundle, "\(path): cannot be read as JSON (\(problem.reason)); export again")
    }
  }

  /// The manifest whose text is `bytes`; `path` stands in errors.
  package init(bytes: [UInt8], path: String) throws {
    let document = try JSONReader.document(bytes)
    guard document["format"] == .string(Self.format) else {
      throw MobileOError(.bundle, "\(path): not the manifest of a Mobile-O bundle")
    }
    let version = document["schema_version"]
    guard let version, [.integer(1), .integer(Self.schemaVersion)].contains(version) else {
      let found = version?.text ?? "missing"
      let later = (version?.integer ?? 0) > Self.schemaVersion
      throw MobileOError(
        .bundle,
        "\(path): schema_version \(found), this release reads 1 and \(Self.schemaVersion); "
          + (later ? "update the MobileO package, or export again" : "export again"))
    }
    let content = version == .integer(1) ? Self.upgraded(document) : document
    if let problem = try SchemaCheck(manifestSchema).problem(content, whole: "the manifest") {
      throw MobileOError(.bundle, "\(path): \(problem); export again or download it again")
    }
    let reader = FieldReader(content, at: path)
    self.content = content
    identity = SHA256Digest.of(bytes)
    recipe = try Recipe(reader.object("recipe"))
    components = try Dictionary(
      uniqueKeysWithValues: reader.object("components").members().map { name, entry in
        (name, try Component(entry))
      })
    files = try reader.array("files").map { file in
      try File(
        path: file.string("path"), size: file.integer("size"), sha256: file.string("sha256"))
    }
    golden = try content["golden"].map { _ in
      let golden = try reader.object("golden")
      return try Golden(
        index: golden.string("index"), formatVersion: golden.integer("format_version"))
    }
  }

  /// A document of version 1, whatever it holds, in the form of version 2.
  ///
  /// Its artifacts did not state their kind: for `jetson` all were graphs, for `ios` the language
  /// model was an MLX folder and everything else a package.
  private static func upgraded(_ document: JSONValue) -> JSONValue {
    document.replacing("schema_version") { _ in .integer(schemaVersion) }
      .replacing("components") { components in
        components.replacingEach { name, component in
          component.replacing("artifacts") { artifacts in
            guard let artifacts = artifacts.array else { return artifacts }
            return .array(
              artifacts.map { artifact in
                guard let object = artifact.object, !object.contains("kind") else {
                  return artifact
                }
                let ofIOS: JSONValue = name == "llm" ? "mlx" : "mlpackage"
                let kind = artifact["target"] == "jetson" ? "onnx" : ofIOS
                return .object(JSONObject(object.members + [("kind", kind)]))
              })
          }
        }
      }
  }

  /// The entry of a component.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: the bundle has no such component.
  public func component(_ name: String) throws -> Component {
    guard let found = components[name] else {
      throw MobileOError(
        .bundle, "the bundle has no \(name); export it again without --only")
    }
    return found
  }
}

extension Manifest.Component {
  init(_ entry: FieldReader) throws {
    title = try entry.string("title")
    parameters = try entry.integer("parameters")
    inputs = try entry.array("inputs").map(TensorSignature.init)
    outputs = try entry.array("outputs").map(TensorSignature.init)
    artifacts = try entry.array("artifacts").map { artifact in
      Manifest.Artifact(
        target: try artifact.string("target"), kind: try artifact.string("kind"),
        path: try artifact.string("path"),
        function: artifact.content["function"]?.string,
        weightPrecision: try artifact.string("weight_precision"),
        computePrecision: try artifact.string("compute_precision"),
        computeUnits: try artifact.string("compute_units"),
        fallbackComputeUnits: try artifact.optional("fallback_compute_units").map { _ in
          try artifact.strings("fallback_compute_units")
        },
        storedBits: try artifact.storedBits(),
        minimumOS: artifact.content["options"]?["minimum_os"]?.string,
        graphs: try artifact.optional("graphs").map { _ in
          try artifact.array("graphs").map(Manifest.Graph.init)
        } ?? [])
    }
    let latent = inputs.first
    preview = try entry.optional("preview").map { try Manifest.Preview($0, latent: latent) }
  }
}

extension Manifest.Graph {
  fileprivate init(_ entry: FieldReader) throws {
    name = try entry.string("name")
    path = try entry.string("path")
    inputs = try entry.array("inputs").map(TensorSignature.init)
    outputs = try entry.array("outputs").map(TensorSignature.init)
  }
}

extension FieldReader {
  fileprivate func storedBits() throws -> Double? {
    guard let bits = content["options"]?["average_bits"] else { return nil }
    guard let bits = bits.double, bits > 0 else {
      throw failure("has average_bits that are no positive number")
    }
    return bits
  }
}

/// An array that a component takes or gives.
public struct TensorSignature: Sendable, Equatable {
  /// One size of a shape: fixed, or varying from call to call within bounds.
  ///
  /// In one call, sizes of equal names are equal.
  public enum Dimension: Sendable, Equatable {
    case fixed(Int)
    case varying(name: String, min: Int, max: Int, standard: Int)

    /// The largest that it can be.
    public var largest: Int {
      switch self {
      case .fixed(let size): size
      case .varying(_, _, let max, _): max
      }
    }
  }

  /// As calls name it.
  public let name: String
  /// `float32` or `int32`.
  public let dtype: String
  /// Sizes, the slowest first.
  public let shape: [Dimension]
  /// Whether an input may be left out.
  public let optional: Bool

  init(_ entry: FieldReader) throws {
    name = try entry.string("name")
    dtype = try entry.string("dtype")
    optional = entry.content["optional"]?.bool ?? false
    shape = try entry.array("shape").map { size in
      if let fixed = size.content.integer { return .fixed(fixed) }
      return .varying(
        name: try size.string("name"), min: try size.integer("min"), max: try size.integer("max"),
        standard: try size.integer("default"))
    }
  }
}
