import Foundation
import MobileO

/// Reads picture files.
enum Pictures {
  /// Off the main actor.
  static let read: @Sendable (Data) async throws -> Picture = { file in
    try await Task.detached { try PNG.decode(Array(file)) }.value
  }
}
