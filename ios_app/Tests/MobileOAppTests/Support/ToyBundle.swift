import Foundation
import MobileO
import MobileOApp

/// A bundle of tiny shapes with the miniature's tokenizer; nothing in it has weights.
enum ToyBundle {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  /// Where its manifest is.
  static let folder = root + "/ios_app/Tests/MobileOAppTests/Bundle"

  /// All of it, in a folder of its own.
  static func made() throws -> Scratch {
    let scratch = try Scratch()
    let llm = scratch.path + "/llm"
    let manager = FileManager.default
    try manager.createDirectory(atPath: llm, withIntermediateDirectories: true)
    try manager.copyItem(
      atPath: folder + "/manifest.json", toPath: scratch.path + "/manifest.json")
    for name in ["tokenizer.json", "tokenizer_config.json", "added_tokens.json", "config.json"] {
      try manager.copyItem(
        atPath: root + "/mobileo_export/assets/miniature/" + name, toPath: llm + "/" + name)
    }
    return scratch
  }

  static func recipe() throws -> Recipe { try Manifest(folder: folder).recipe }

  static let picture = made(width: 21, height: 13) { UInt8($0 * $0 % 251) }

  static func made(width: Int, height: Int, _ value: (Int) -> UInt8) -> Picture {
    let rgb = (0..<width * height * 3).map(value)
    // swift-format-ignore
    return try! Picture(width: width, height: height, rgb: rgb)
  }
}

/// A folder that is gone when the test is.
final class Scratch: Sendable {
  let path: String
  var url: URL { URL(fileURLWithPath: path) }

  init() throws {
    path = NSTemporaryDirectory() + "/mobileo-app-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The error that `body` throws, which has to be ours.
func failure<Result>(_ body: () throws -> Result) -> MobileOError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? MobileOError
  }
}
