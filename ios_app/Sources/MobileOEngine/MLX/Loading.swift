import MLX
import MobileO

extension Qwen2 {
  /// Reads the weights of `plan`. `failure` knows what MLX reports meanwhile.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: a weight is not finite, or what the plan was made of has
  ///   changed since.
  init(_ plan: LanguageModelPlan, _ precision: Precision, _ failure: ErrorBox) throws {
    var weights = try Weights(plan.weights, precision, failure)
    typealias Name = LanguageModelPlan.Name
    sizes = plan.configuration
    states = plan.states
    embeddings = try weights.matrix(Name.embeddings)
    layers = try (0..<plan.configuration.layers).map { index in
      let layer = Name.layer(index)
      return try Layer(
        inputNorm: weights.take(layer + "input_layernorm.weight"),
        query: weights.matrix(layer + "self_attn.q_proj.weight"),
        key: weights.matrix(layer + "self_attn.k_proj.weight"),
        value: weights.matrix(layer + "self_attn.v_proj.weight"),
        output: weights.matrix(layer + "self_attn.o_proj.weight"),
        postNorm: weights.take(layer + "post_attention_layernorm.weight"),
        gate: weights.matrix(layer + "mlp.gate_proj.weight"),
        up: weights.matrix(layer + "mlp.up_proj.weight"),
        down: weights.matrix(layer + "mlp.down_proj.weight"))
    }
    norm = try weights.take(Name.norm)
    head =
      try plan.weights.parameters[Name.head] == nil ? embeddings : weights.matrix(Name.head)
    projector = try (weights.matrix(Name.projector.0), weights.matrix(Name.projector.1))
    try weights.finish()
  }
}
