import Foundation
import MobileO

/// Whether MLX may compute float32 products in reduced precision, as it does by default on newer chips.
///
/// MLX reads `MLX_ENABLE_TF32` once, before its first operation: there is one answer for the life of a
/// process.
package struct ReducedPrecision: Sendable {
  /// What MLX began with; nil before its first operation.
  package private(set) var isAllowed: Bool?

  /// Of a process in which MLX has not begun.
  package init() {}

  /// What holds for a model that allows it or not. Exact numbers are right for a model that would allow
  /// others.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: MLX began with reduced precision, exact numbers are asked.
  package mutating func settle(_ allowed: Bool) throws -> Bool {
    let began = isAllowed ?? allowed
    if began, !allowed {
      throw MobileOError(
        .usage,
        "MLX began in reduced precision, and keeps to it; quit the app and begin with exact numbers"
      )
    }
    isAllowed = began
    return began
  }

  private static let lock = NSLock()
  nonisolated(unsafe) private static var process = ReducedPrecision()

  /// The same for this process, before any operation of MLX.
  static func settle(_ allowed: Bool) throws -> Bool {
    try lock.withLock {
      let began = try process.settle(allowed)
      if !began { setenv("MLX_ENABLE_TF32", "0", 1) }
      return began
    }
  }
}
