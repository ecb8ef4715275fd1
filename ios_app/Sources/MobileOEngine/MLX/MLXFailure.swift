import Foundation
import MLX
import MobileO

extension MobileOError {
  /// What MLX reports of itself, as one of our kinds: its allocators sign with `malloc`.
  package init(mlx message: String, in component: String) {
    if message.contains("malloc]") {
      self.init(
        .memory, "MLX has too little memory for \(component) (\(message)); close other apps")
    } else {
      self.init(.session, "MLX failed in \(component) (\(message)); verify the bundle")
    }
  }
}

/// What MLX reports, which would end the process otherwise, as an error of ours.
func guarded<Result>(_ component: String, _ body: (ErrorBox) throws -> Result) throws -> Result {
  do { return try withError(body) } catch let error as MLXError {
    throw MobileOError(mlx: error.localizedDescription, in: component)
  }
}

/// The numbers of an array, as float32, unless something failed on the way to them.
func tensor(_ array: MLXArray, _ shape: [Int], _ failure: ErrorBox) throws -> Tensor {
  try failure.check()
  let floats = array.asType(.float32)
  eval(floats)
  try failure.check()
  return Tensor(shape: shape, .float32(floats.asArray(Float.self)))
}
