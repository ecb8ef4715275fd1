import Foundation
import MobileO

/// The files of a Core AI asset, checked before anything of it is executed: the library ends the whole
/// process for a program that it cannot parse.
enum AssetFiles {
  static let program = "main.mlirb"
  private static let digest = "main.hash"
  private static let metadata = "metadata.json"
  private static let magic: [UInt8] = [0x4D, 0x4C, 0xEF, 0x52]
  private static let again = "export it again or download it again"

  /// Finds out whether the asset in the folder `path` is whole, reading every byte of it.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: a file is missing, a link leads elsewhere, or the
  ///   program is not the one that was written; `CancellationError`.
  static func check(_ path: String) throws {
    try Links.check(path)
    for name in [program, digest, metadata] {
      guard case .file = Files.target(path + "/" + name) else {
        throw MobileOError(.bundle, "\(path)/\(name): no such file; \(again)")
      }
    }
    let file = path + "/" + program
    guard let handle = FileHandle(forReadingAtPath: file) else {
      throw MobileOError(.bundle, "\(file): cannot be read; check its permissions")
    }
    let first = try? handle.read(upToCount: magic.count)
    try? handle.close()
    guard [UInt8](first ?? Data()) == magic else {
      throw MobileOError(.bundle, "\(file): is no Core AI program; \(again)")
    }
    guard try SHA256Digest.ofFile(file) == stated(path + "/" + digest) else {
      throw MobileOError(.bundle, "\(file): is not as it was written; \(again)")
    }
  }

  /// The 32 bytes of the program's sha256, in hexadecimal.
  private static func stated(_ path: String) throws -> String {
    do {
      return try Files.read(path, limit: 32).map { byte in
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }.joined()
    } catch let problem as JSONReader.Problem {
      throw MobileOError(.bundle, "\(path): \(problem.reason); \(again)")
    }
  }
}
