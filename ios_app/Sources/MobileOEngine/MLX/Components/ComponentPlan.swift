import MobileO

/// `config.json` of a component's MLX folder: what the component computes with, and the tensors that it
/// then has.
package protocol ComponentConfiguration: Sendable, Equatable {
  /// As bundles name it: `dit`.
  static var component: String { get }
  /// Where the manifest's `model` states the same fields.
  static var sealed: [String] { get }

  /// - Throws: ``MobileOError`` of kind `bundle`: a field is missing, or asks for what this release does
  ///   not compute.
  init(_ fields: FieldReader) throws

  /// How many blocks it claims, each of which has tensors.
  var blocks: Int { get }
  /// Every tensor by name, before it is quantized; convolutions as [outputs, height, width, inputs of a
  /// group].
  var shapes: [String: [Int]] { get }
  /// Sizes of what it takes and gives, by name; nil where any size is right.
  var signature: (inputs: [String: [Int?]], outputs: [String: [Int?]]) { get }
}

/// What a component of a bundle is made of, read of its MLX folder's configuration and of the header of
/// its weights alone.
package struct ComponentPlan<Configuration: ComponentConfiguration>: Sendable, Equatable {
  /// What the model computes with.
  package let configuration: Configuration
  /// Its tensors.
  package let weights: WeightFile
  /// Whether it computes in float32 throughout; else in float16, and in float32 where half precision
  /// does not hold the numbers.
  package let isFloat32: Bool

  /// Reads the MLX folder of a bundle, its artifact of kind `mlx`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: the bundle has no such artifact, a file is missing or
  ///   damaged, or the files contradict each other.
  package init(folder: String, manifest: Manifest) throws {
    let name = Configuration.component
    let component = try manifest.component(name)
    guard component.artifacts.contains(where: { $0.kind == "mlx" }) else {
      throw MobileOError(
        .bundle, "\(folder): its bundle has no \(name) for MLX; export it with --target mlx")
    }
    try Links.check(folder)
    let fields = try FieldReader(configurationAt: folder + "/config.json")
    let type = try fields.string("model_type")
    guard type == "mobileo_" + name else {
      throw fields.failure("says model_type '\(oneLine(type, longest: 40))', not mobileo_\(name)")
    }
    // From here on the configuration's numbers are those that were sealed.
    try Self.check(fields, manifest)
    configuration = try Configuration(fields)
    switch try fields.string("torch_dtype") {
    case "float16": isFloat32 = false
    case "float32": isFloat32 = true
    case let other:
      throw fields.failure(
        "says torch_dtype '\(oneLine(other, longest: 40))', not float16 or float32")
    }
    let path = folder + "/model.safetensors"
    let stored = try Safetensors(path: path).entries
    // Says of a file with a false count what is wrong before a list of that length is made.
    if configuration.blocks > stored.count {
      throw fields.failure("says \(configuration.blocks) blocks, there are \(stored.count) tensors")
    }
    let plain = isFloat32 ? "F32" : "F16"
    weights = try WeightFile(
      path: path, stored, shapes: configuration.shapes, QuantizationRules(fields),
      plain: plain, fields)
    try check(component, folder)
  }

  /// Every field is what the manifest has sealed, and there is no other.
  private static func check(_ fields: FieldReader, _ manifest: Manifest) throws {
    let sealed = Configuration.sealed.reduce(manifest.content["model"]) { $0?[$1] }
    let own = ["model_type", "torch_dtype", "quantization"]
    let claims = try fields.members().filter { !own.contains($0.0) }
    for (key, claim) in claims {
      guard claim.content == sealed?[key] else {
        throw fields.failure(
          "says \(oneLine(key, longest: 40)) \(oneLine(claim.content.line, longest: 60)), the manifest "
            + oneLine(sealed?[key]?.line ?? "nothing", longest: 60))
      }
    }
    let names = Set(claims.map(\.0))
    if let missing = sealed?.object?.members.first(where: { !names.contains($0.key) }) {
      throw fields.failure("has no \(missing.key)")
    }
  }

  /// The manifest's signature is one of this configuration.
  private func check(_ component: Manifest.Component, _ folder: String) throws {
    let expected = configuration.signature
    for (found, sizes) in [
      (component.inputs, expected.inputs), (component.outputs, expected.outputs),
    ] {
      let fits = found.allSatisfy { item in
        guard let sizes = sizes[item.name], sizes.count == item.shape.count,
          item.dtype == "float32"
        else { return false }
        return zip(sizes, item.shape).allSatisfy { $0 == nil || $1 == .fixed($0 ?? 0) }
      }
      guard fits, Set(found.map(\.name)) == Set(sizes.keys) else {
        throw MobileOError(
          .bundle,
          "\(folder): the signature of the \(Configuration.component) in \(Manifest.fileName) is not "
            + "one of its config.json; export again")
      }
    }
  }
}

/// The tensors of layers that components share.
enum Shapes {
  /// A linear layer.
  static func linear(_ name: String, _ outputs: Int, _ inputs: Int) -> [String: [Int]] {
    [name + ".weight": [outputs, inputs], name + ".bias": [outputs]]
  }

  /// A convolution over a square; `inputs` of one group.
  static func convolution(
    _ name: String, _ outputs: Int, _ inputs: Int, _ kernel: Int
  ) -> [String: [Int]] {
    [name + ".weight": [outputs, kernel, kernel, inputs], name + ".bias": [outputs]]
  }

  /// A norm with scale and shift.
  static func norm(_ name: String, _ size: Int) -> [String: [Int]] {
    [name + ".weight": [size], name + ".bias": [size]]
  }
}

extension Dictionary where Key == String, Value == [Int] {
  mutating func add(_ others: [String: [Int]]) { merge(others) { first, _ in first } }
}
