import MLX

/// The weight of a linear layer or an embedding table, quantized or plain.
struct Matrix {
  /// What belongs to a quantized weight.
  struct Packing {
    let scales: MLXArray
    let biases: MLXArray
    let quantization: Quantization
    /// What sums of products are widened to, nil: what they are.
    ///
    /// MLX's Metal kernels sum in float32 whatever their operands are; its CPU kernel sums in the
    /// operands' type, in half 30 times slower and less exact.
    let sums: DType?
  }

  let weight: MLXArray
  let bias: MLXArray?
  let packing: Packing?

  /// `x` [..., columns] times the transposed matrix: [..., rows].
  func callAsFunction(_ x: MLXArray) -> MLXArray {
    guard let packing else {
      if let bias { return addMM(bias, x, weight.T) }
      return matmul(x, weight.T)
    }
    let wide = packing.sums ?? x.dtype
    let result = quantizedMM(
      x.asType(wide), weight, scales: packing.scales.asType(wide),
      biases: packing.biases.asType(wide), transpose: true,
      groupSize: packing.quantization.groupSize, bits: packing.quantization.bits
    ).asType(x.dtype)
    return bias.map { result + $0 } ?? result
  }

  /// The rows `ids` [...]: [..., columns].
  func rows(_ ids: MLXArray) -> MLXArray {
    guard let packing else { return weight[ids] }
    return dequantized(
      weight[ids], scales: packing.scales[ids], biases: packing.biases[ids],
      groupSize: packing.quantization.groupSize, bits: packing.quantization.bits)
  }
}
