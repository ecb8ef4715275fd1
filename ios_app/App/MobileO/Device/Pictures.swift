import Foundation
import MobileO
import MobileOEngine

/// Reads picture files of any format that the system knows.
enum Pictures {
  /// Off the main actor.
  static let read: @Sendable (Data) async throws -> Picture = { file in
    try await Task.detached { try PictureDecoder.system.decode(Array(file)) }.value
  }
}
