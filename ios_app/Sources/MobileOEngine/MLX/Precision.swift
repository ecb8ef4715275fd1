/// What MLX computes activations in.
public enum Precision: Sendable {
  /// The stored type, float16, with float32 where half precision does not hold the numbers.
  case stored
  /// float32, in which nothing but the stored numbers differs from the checkpoint's model. Twice the
  /// memory of a folder that is not quantized.
  case float32
}
