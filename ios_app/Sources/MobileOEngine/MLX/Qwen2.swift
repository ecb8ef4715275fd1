import MLX
import MLXNN

/// The decoder and the image projector; the arithmetic, in this order, is that of
/// `mobileo_export/runtimes/mlx/model.py`, so that float32 results agree.
struct Qwen2 {
  let sizes: LanguageModelConfiguration
  /// K.
  let states: Int
  let embeddings: Matrix
  let layers: [Layer]
  let norm: MLXArray
  let head: Matrix
  let projector: (Matrix, Matrix)

  /// Embeddings [1, N, d]; projected features replace the positions of the call's image tokens.
  func embed(_ call: LanguageModelCall) -> MLXArray {
    let embeddings = embeddings.rows(MLXArray(call.ids, [1, call.ids.count]))
    guard let features = call.features else { return embeddings }
    let width = sizes.featureWidth
    let given = MLXArray(features, [1, features.count / width, width])
    let image = projector.1(gelu(projector.0(given.asType(embeddings.dtype))))
    let (before, after) = (0..<call.span.lowerBound, call.span.upperBound..<call.ids.count)
    return concatenated([embeddings[0..., before], image, embeddings[0..., after]], axis: 1)
  }

  /// Hidden states [1, K, N, d], and the logits [1, V] of the last of the `length` positions of `x`
  /// [1, N, d], which come behind those that `cache` holds and are kept there.
  func callAsFunction(
    _ x: MLXArray, length: Int, _ cache: inout KeyValueCache
  ) -> (states: MLXArray, logits: MLXArray) {
    var states = [x]
    for (index, layer) in layers.enumerated() {
      states.append(
        layer(states[index], length: length, sizes, &cache.layers[index], after: cache.count))
    }
    cache.count += length
    let last = MLXFast.rmsNorm(states[layers.count], weight: norm, eps: Float(sizes.epsilon))
    states[layers.count] = last
    return (stacked(states.suffix(self.states), axis: 1), head(last[0..., length - 1]))
  }
}

/// One decoder layer.
struct Layer {
  let inputNorm: MLXArray
  let query: Matrix
  let key: Matrix
  let value: Matrix
  let output: Matrix
  let postNorm: MLXArray
  let gate: Matrix
  let up: Matrix
  let down: Matrix

  /// The layer's output [1, N, d] where `past` holds the keys and values of `count` positions.
  func callAsFunction(
    _ x: MLXArray, length: Int, _ sizes: LanguageModelConfiguration,
    _ past: inout KeyValueCache.Block, after count: Int
  ) -> MLXArray {
    let epsilon = Float(sizes.epsilon)
    let normed = MLXFast.rmsNorm(x, weight: inputNorm, eps: epsilon)
    let mixed = x + attention(normed, length, sizes, &past, count)
    let inner = MLXFast.rmsNorm(mixed, weight: postNorm, eps: epsilon)
    return mixed + down(silu(gate(inner)) * up(inner))
  }

  private func attention(
    _ x: MLXArray, _ length: Int, _ sizes: LanguageModelConfiguration,
    _ past: inout KeyValueCache.Block, _ count: Int
  ) -> MLXArray {
    let width = sizes.headWidth
    func heads(_ values: MLXArray, _ heads: Int) -> MLXArray {
      values.reshaped(1, length, heads, width).transposed(0, 2, 1, 3)
    }
    func rotated(_ values: MLXArray) -> MLXArray {
      MLXFast.RoPE(
        values, dimensions: width, traditional: false, base: Float(sizes.ropeBase), scale: 1,
        offset: count)
    }
    let queries = rotated(heads(query(x), sizes.heads))
    let (keys, values) = past.append(
      rotated(heads(key(x), sizes.keyValueHeads)), heads(value(x), sizes.keyValueHeads),
      length: length, after: count)
    let mixed = MLXFast.scaledDotProductAttention(
      queries: queries, keys: keys, values: values, scale: Float(1 / Double(width).squareRoot()),
      mask: length > 1 ? .causal : .none)
    return output(mixed.transposed(0, 2, 1, 3).reshaped(1, length, sizes.hidden))
  }
}
