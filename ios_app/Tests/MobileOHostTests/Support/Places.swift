import Foundation
import MobileO
import Testing

/// Where the tests find what `make test-swift` wrote.
enum Found {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// A folder whose manifest is that of the corpus of seals: all that the engine reads of a bundle.
  static func manifest(in scratch: Scratch) throws -> Data {
    let corpus = try Files.json(root + "/ios_app/Tests/Corpus/seal.json")
    let text = try #require(corpus["manifest"]).text
    try Files.write(Array(text.utf8), to: scratch.path + "/manifest.json")
    return Data(text.utf8)
  }
}

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
