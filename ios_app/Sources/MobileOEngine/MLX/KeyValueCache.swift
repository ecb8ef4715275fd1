import MLX

/// Keys and values of what was read.
struct KeyValueCache {
  /// How many positions a buffer grows by, so that a step copies none of those before it.
  private static let step = 256

  /// How many positions were read.
  var count = 0
  /// One a layer.
  var layers: [Block]

  /// Of a model that has read nothing.
  init(layers: Int) { self.layers = Array(repeating: Block(), count: layers) }

  /// Buffers [1, heads, at least the positions so far, width] of one layer.
  struct Block {
    private var buffers: (keys: MLXArray, values: MLXArray)?
    private var room = 0

    /// Keeps the keys and values [1, heads, N, width] of `length` positions behind the first `count`;
    /// gives those of all so far.
    mutating func append(
      _ keys: MLXArray, _ values: MLXArray, length: Int, after count: Int
    ) -> (keys: MLXArray, values: MLXArray) {
      let end = count + length
      let (allKeys, allValues) = grown(keys, values, count: count, to: end)
      allKeys[0..., 0..., count..<end] = keys
      allValues[0..., 0..., count..<end] = values
      buffers = (allKeys, allValues)
      if count == 0 { return (keys, values) }
      return (allKeys[0..., 0..., 0..<end], allValues[0..., 0..., 0..<end])
    }

    private mutating func grown(
      _ keys: MLXArray, _ values: MLXArray, count: Int, to end: Int
    ) -> (MLXArray, MLXArray) {
      if let buffers, end <= room { return buffers }
      let wanted = (end + KeyValueCache.step - 1) / KeyValueCache.step * KeyValueCache.step
      func longer(_ buffer: MLXArray?, like new: MLXArray) -> MLXArray {
        let zeros = MLXArray.zeros(
          [1, new.dim(1), wanted - (buffer == nil ? 0 : count), new.dim(3)], dtype: new.dtype)
        return buffer.map { concatenated([$0[0..., 0..., 0..<count], zeros], axis: 2) } ?? zeros
      }
      room = wanted
      return (longer(buffers?.keys, like: keys), longer(buffers?.values, like: values))
    }

    /// What has to be computed before the next step can be.
    var arrays: [MLXArray] { buffers.map { [$0.keys, $0.values] } ?? [] }
  }
}
