import Foundation
import MLX
import MobileO

extension Qwen2 {
  /// Reads the weights of `plan`: as stored, or their scales, biases and norms as float32. `failure` knows
  /// what MLX reports meanwhile.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: a weight is not finite, or what the plan was made of has
  ///   changed since.
  init(_ plan: LanguageModelPlan, _ precision: MLXLanguageModel.Precision, _ failure: ErrorBox)
    throws
  {
    let sums: DType? = Device.defaultDevice().deviceType == .cpu ? .float32 : nil
    var arrays = try loadArrays(url: URL(fileURLWithPath: plan.weights)).mapValues { array in
      array.dtype == .uint32 || precision == .stored ? array : array.asType(.float32)
    }
    eval(arrays.values)
    try failure.check()
    try Self.checkFinite(arrays, plan.weights, failure)

    func take(_ name: String) throws -> MLXArray {
      if let array = arrays.removeValue(forKey: name) { return array }
      throw MobileOError(.bundle, "\(plan.weights): was changed while it was read; load it again")
    }
    func matrix(_ name: String) throws -> Matrix {
      let bias = LanguageModelPlan.Name.bias(name)
      return try Matrix(
        weight: take(name), bias: plan.parameters[bias] == nil ? nil : take(bias),
        packing: plan.parameters[name]?.quantization.map { quantization in
          let (scales, biases) = LanguageModelPlan.packed(name)
          return try Matrix.Packing(
            scales: take(scales), biases: take(biases), quantization: quantization, sums: sums)
        })
    }
    typealias Name = LanguageModelPlan.Name
    sizes = plan.configuration
    states = plan.states
    embeddings = try matrix(Name.embeddings)
    layers = try (0..<plan.configuration.layers).map { index in
      let layer = Name.layer(index)
      return try Layer(
        inputNorm: take(layer + "input_layernorm.weight"),
        query: matrix(layer + "self_attn.q_proj.weight"),
        key: matrix(layer + "self_attn.k_proj.weight"),
        value: matrix(layer + "self_attn.v_proj.weight"),
        output: matrix(layer + "self_attn.o_proj.weight"),
        postNorm: take(layer + "post_attention_layernorm.weight"),
        gate: matrix(layer + "mlp.gate_proj.weight"), up: matrix(layer + "mlp.up_proj.weight"),
        down: matrix(layer + "mlp.down_proj.weight"))
    }
    norm = try take(Name.norm)
    head = try plan.parameters[Name.head] == nil ? embeddings : matrix(Name.head)
    projector = try (matrix(Name.projector.0), matrix(Name.projector.1))
    if let unused = arrays.keys.min() {
      throw MobileOError(
        .bundle, "\(plan.weights): tensor \(unused) is used by nothing; export the bundle again")
    }
  }

  private static func checkFinite(
    _ arrays: [String: MLXArray], _ path: String, _ failure: ErrorBox
  ) throws {
    let floats = arrays.filter { $0.value.dtype != .uint32 }.sorted { $0.key < $1.key }
    let verdicts = stacked(floats.map { isFinite($0.value).all() })
    eval(verdicts)
    try failure.check()
    if let place = verdicts.asArray(Bool.self).firstIndex(of: false) {
      throw MobileOError(
        .bundle,
        "\(path): tensor \(floats[place].key) holds NaN or infinity; export again or download it again"
      )
    }
  }
}
