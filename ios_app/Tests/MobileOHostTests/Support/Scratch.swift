import Foundation
import MobileO

/// A folder that is gone when the test is.
final class Scratch: Sendable {
  let path: String
  var url: URL { URL(fileURLWithPath: path) }

  init() throws {
    path = NSTemporaryDirectory() + "/mobileo-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The error that `body` throws, which has to be ours.
func failure<Result>(_ body: () async throws -> Result) async -> MobileOError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? MobileOError
  }
}
