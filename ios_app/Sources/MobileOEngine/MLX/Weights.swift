import Foundation
import MLX
import MobileO

/// The arrays of a weight file, from which a model takes what it is made of, each once.
struct Weights {
  /// What the file was found to hold.
  let file: WeightFile
  private var arrays: [String: MLXArray]
  /// Whether MLX computes on a processor, whose kernels are others than a GPU's.
  let isOnCPU: Bool

  /// Reads all of `file`: as stored, or everything but packed weights as float32. `failure` knows what
  /// MLX reports meanwhile.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: a tensor is not finite.
  init(_ file: WeightFile, _ precision: Precision, _ failure: ErrorBox) throws {
    self.file = file
    isOnCPU = Device.defaultDevice().deviceType == .cpu
    arrays = try loadArrays(url: URL(fileURLWithPath: file.path)).mapValues { array in
      array.dtype == .uint32 || precision == .stored ? array : array.asType(.float32)
    }
    eval(arrays.values)
    try failure.check()
    try checkFinite(failure)
  }

  /// An array, as it was read or as `dtype`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: what the file was found to hold has changed since.
  mutating func take(_ name: String, _ dtype: DType? = nil) throws -> MLXArray {
    if let array = arrays.removeValue(forKey: name) {
      return dtype.map { array.asType($0) } ?? array
    }
    throw MobileOError(.bundle, "\(file.path): was changed while it was read; load it again")
  }

  /// The linear layer of a weight, with its bias where there is one. A convolution that never looks at a
  /// pixel twice is one too. All but a packed weight as `dtype`, where that is given.
  mutating func matrix(_ name: String, _ dtype: DType? = nil) throws -> Matrix {
    let bias = WeightFile.bias(name)
    let parameter = file.parameters[name]
    let weight = try take(name, parameter?.quantization == nil ? dtype : nil)
    let packing = try parameter?.quantization.map { quantization in
      let (scales, biases) = WeightFile.packed(name)
      return try Matrix.Packing(
        scales: take(scales, dtype), biases: take(biases, dtype), quantization: quantization,
        sums: isOnCPU ? .float32 : nil)
    }
    return try Matrix(
      weight: (parameter?.shape.count ?? 2) == 2 ? weight : weight.reshaped(weight.dim(0), -1),
      bias: file.parameters[bias] == nil ? nil : take(bias, dtype), packing: packing)
  }

  /// - Throws: ``MobileOError`` of kind `bundle`: an array was not taken.
  func finish() throws {
    if let unused = arrays.keys.min() {
      throw MobileOError(
        .bundle, "\(file.path): tensor \(unused) is used by nothing; export the bundle again")
    }
  }

  private func checkFinite(_ failure: ErrorBox) throws {
    let floats = arrays.filter { $0.value.dtype != .uint32 }.sorted { $0.key < $1.key }
    let verdicts = stacked(floats.map { isFinite($0.value).all() })
    eval(verdicts)
    try failure.check()
    if let place = verdicts.asArray(Bool.self).firstIndex(of: false) {
      throw MobileOError(
        .bundle,
        "\(file.path): tensor \(floats[place].key) holds NaN or infinity; export again or download it "
          + "again")
    }
  }
}
