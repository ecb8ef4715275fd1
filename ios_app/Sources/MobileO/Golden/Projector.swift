import Foundation

/// The image projector inside a language model's folder, in double precision: linear, GELU, linear.
/// What the engines compute is compared with it.
struct Projector {
  private let layers: [(weight: [Float], bias: [Float], width: Int)]

  /// The projector of an MLX folder, quantized or not.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: the folder is damaged, or holds no projector of this
  ///   form.
  init(folder: String, features: Int) throws {
    let file = try Safetensors(path: folder + "/model.safetensors")
    var width = features
    layers = try ["linear_0", "linear_2"].map { name in
      let prefix = "multi_modal_projector.\(name)"
      let bias = try file.floats("\(prefix).bias")
      let weight = try Self.weight(file, prefix, width)
      guard weight.count == bias.count * width else {
        throw MobileOError(
          .bundle, "\(folder): \(prefix) does not fit its input of \(width); export again")
      }
      defer { width = bias.count }
      return (weight, try bias.floats(prefix), width)
    }
  }

  /// [1, M, F] to [1, M, d].
  func project(_ features: Tensor) throws -> Tensor {
    var values = try features.floats("image_features").map { Double($0) }
    let rows = features.shape.dropLast().reduce(1, *)
    for (place, layer) in layers.enumerated() {
      values = multiply(values, rows, layer)
      if place == 0 { values = values.map { $0 * (1 + erf($0 / 2.0.squareRoot())) / 2 } }
    }
    let width = layers.last?.bias.count ?? 0
    return Tensor(shape: [1, rows, width], .float32(values.map { Float($0) }))
  }

  private func multiply(
    _ values: [Double], _ rows: Int, _ layer: (weight: [Float], bias: [Float], width: Int)
  ) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(rows * layer.bias.count)
    for row in 0..<rows {
      for (column, bias) in layer.bias.enumerated() {
        var sum = Double(bias)
        for place in 0..<layer.width {
          sum +=
            values[row * layer.width + place]
            * Double(layer.weight[column * layer.width + place])
        }
        result.append(sum)
      }
    }
    return result
  }

  /// [d, F], of MLX's affine quantization: level · scale + bias of its group, in float32.
  private static func weight(
    _ file: Safetensors, _ prefix: String, _ width: Int
  ) throws -> [Float] {
    let name = "\(prefix).weight"
    guard let entry = file.entries[name], entry.dtype == "U32", entry.shape.count == 2 else {
      return try file.floats(name).floats(name)
    }
    let scales = try file.floats("\(prefix).scales").floats(name)
    let biases = try file.floats("\(prefix).biases").floats(name)
    let bytes = try file.bytes(name)
    let (rows, words) = (entry.shape[0], entry.shape[1])
    let bits = words * 32 / max(width, 1)
    let groups = scales.count / max(rows, 1)
    guard [4, 5, 6, 8].contains(bits), groups > 0, width % groups == 0, biases.count == scales.count
    else {
      throw MobileOError(
        .bundle, "\(name) is quantized in a form that this release does not read; export again")
    }
    let (group, mask) = (width / groups, UInt16(1 << bits - 1))
    return (0..<rows * width).map { place in
      let (row, column) = (place / width, place % width)
      // A level begins at the lowest free bit, and may end in the next byte.
      let bit = column * bits
      let first = row * words * 4 + bit / 8
      let second = bit % 8 + bits > 8 ? UInt16(bytes[first + 1]) << 8 : 0
      let level = (UInt16(bytes[first]) | second) >> UInt16(bit % 8) & mask
      let slot = row * groups + column / group
      return Float(level) * scales[slot] + biases[slot]
    }
  }
}
