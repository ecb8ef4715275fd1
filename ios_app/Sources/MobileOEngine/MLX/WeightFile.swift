import MobileO

/// `model.safetensors` of an MLX folder, its header held against what `config.json` promises.
///
/// A value: it needs no MLX. Everything that the file holds is accounted for: a tensor that is missing,
/// of another type or shape, or that nothing asks for is an error that names it.
package struct WeightFile: Sendable, Equatable {
  /// A learned array: a matrix [rows, columns], a convolution, a norm or a bias.
  package struct Parameter: Sendable, Equatable {
    /// Before it was quantized.
    package let shape: [Int]
    /// Nil: plain numbers.
    package let quantization: Quantization?
  }

  /// Where it lies.
  package let path: String
  /// By name; a packed weight's scales and biases go with it.
  package let parameters: [String: Parameter]

  /// Holds the `stored` tensors of the file at `path` against `shapes`, every tensor's by name.
  ///
  /// - Parameters:
  ///   - plain: the type of a tensor that is not quantized: `F16` or `F32`.
  ///   - file: `config.json`, for its errors.
  /// - Throws: ``MobileOError`` of kind `bundle`: they do not fit, or `rules` name a matrix that is none.
  init(
    path: String, _ stored: [String: Safetensors.Entry], shapes: [String: [Int]],
    _ rules: QuantizationRules, plain: String, _ file: FieldReader
  ) throws {
    self.path = path
    parameters = try Self.parameters(shapes, rules, file)
    try check(stored, plain)
  }

  /// What a weight is called in the file without its last part, with a quantized one's other arrays.
  package static func packed(_ name: String) -> (scales: String, biases: String) {
    let module = module(name)
    return (module + ".scales", module + ".biases")
  }

  /// The bias that belongs to a weight.
  package static func bias(_ weight: String) -> String { module(weight) + ".bias" }

  private static func module(_ name: String) -> String {
    String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)])
  }

  /// What `config.json` promises of every tensor.
  private static func parameters(
    _ shapes: [String: [Int]], _ rules: QuantizationRules, _ file: FieldReader
  ) throws -> [String: Parameter] {
    var exceptions = rules.exceptions
    var parameters: [String: Parameter] = [:]
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
      var quantization: Quantization?
      if shape.count == 2, name.hasSuffix(".weight"), let common = rules.common {
        switch exceptions.removeValue(forKey: module(name)) {
        case nil: quantization = common
        case .plain: quantization = nil
        case .quantized(let other): quantization = other
        }
        if let groupSize = quantization?.groupSize, shape[1] % groupSize != 0 {
          throw file.failure(
            "says a group size of \(groupSize), \(module(name)) has \(shape[1]) columns")
        }
      }
      parameters[name] = Parameter(shape: shape, quantization: quantization)
    }
    if let unknown = exceptions.keys.min() {
      throw file.failure("says quantization of \(unknown), the model has no such matrix")
    }
    return parameters
  }

  /// Names, types and shapes are those of the file, and nothing is left over in it.
  private func check(
    _ stored: [String: Safetensors.Entry], _ plain: String
  ) throws {
    var rest = stored
    for (name, parameter) in parameters.sorted(by: { $0.key < $1.key }) {
      for (name, dtype, shape) in parameter.stored(name, plain) {
        guard let found = rest.removeValue(forKey: name) else {
          throw MobileOError(
            .bundle, "\(path): tensor \(name) is missing; export again or download it again")
        }
        if found.dtype != dtype || found.shape != shape {
          throw MobileOError(
            .bundle,
            "\(path): tensor \(name) is \(found.dtype) \(found.shape), config.json asks for \(dtype) "
              + "\(shape); export again or download it again")
        }
      }
    }
    if let unknown = rest.keys.min() {
      throw MobileOError(
        .bundle, "\(path): tensor \(unknown) is unexpected; export again or download it again")
    }
  }
}

extension WeightFile.Parameter {
  /// Name, type and shape of each tensor in the file.
  fileprivate func stored(
    _ name: String, _ plain: String
  ) -> [(name: String, dtype: String, shape: [Int])] {
    guard let quantization else { return [(name, plain, shape)] }
    let (scales, biases) = WeightFile.packed(name)
    let groups = [shape[0], shape[1] / quantization.groupSize]
    return [
      (name, "U32", [shape[0], shape[1] * quantization.bits / 32]),
      (scales, "F16", groups), (biases, "F16", groups),
    ]
  }
}
