import MobileO

extension MobileOError {
  /// What MLX reports of itself, as one of our kinds: its allocators sign with `malloc`.
  package init(mlx message: String) {
    if message.contains("malloc]") {
      self.init(
        .memory, "MLX has too little memory for the language model (\(message)); close other apps")
    } else {
      self.init(.session, "MLX failed in the language model (\(message)); verify the bundle")
    }
  }
}
