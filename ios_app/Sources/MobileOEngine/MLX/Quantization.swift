import MobileO

/// How a matrix is stored in fewer bits.
package struct Quantization: Sendable, Equatable {
  private static let everyBits = [4, 5, 6, 8]
  private static let everyGroupSize = [32, 64, 128]

  /// 4, 5, 6 or 8.
  package let bits: Int
  /// Neighbours of a row that share a scale: 32, 64 or 128.
  package let groupSize: Int

  fileprivate init(_ entry: FieldReader, _ fields: FieldReader, _ name: String) throws {
    guard let bits = entry.content["bits"]?.integer, Self.everyBits.contains(bits),
      let groupSize = entry.content["group_size"]?.integer, Self.everyGroupSize.contains(groupSize)
    else {
      throw fields.failure(
        "has a \(name) other than 4, 5, 6 or 8 bits in groups of 32, 64 or 128: \(entry.content.line)"
      )
    }
    (self.bits, self.groupSize) = (bits, groupSize)
  }
}

/// What `config.json` of an MLX folder says of quantization.
///
/// `{"bits": 8, "group_size": 64, "MODULE": false, "MODULE": {"bits": 4, "group_size": 64}}`
package struct QuantizationRules: Sendable, Equatable {
  /// What one module has instead of the common quantization.
  package enum Exception: Sendable, Equatable {
    case plain
    case quantized(Quantization)
  }

  /// Nil: nothing is quantized.
  package let common: Quantization?
  /// By path of the module.
  package let exceptions: [String: Exception]

  /// - Throws: ``MobileOError`` of kind `bundle`: MLX has no such quantization.
  init(_ fields: FieldReader) throws {
    guard let entry = fields.optional("quantization") else {
      (common, exceptions) = (nil, [:])
      return
    }
    common = try Quantization(entry, fields, "quantization")
    var exceptions: [String: Exception] = [:]
    for (name, value) in try entry.members() where name != "bits" && name != "group_size" {
      exceptions[name] =
        value.content == .bool(false)
        ? .plain : .quantized(try Quantization(value, fields, "quantization.\(name)"))
    }
    self.exceptions = exceptions
  }
}
