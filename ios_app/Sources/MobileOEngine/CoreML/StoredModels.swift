import Foundation
import MobileO

extension CompiledStore {
  /// Bytes that compiled models take, by the identity of their bundle.
  public static func sizes(in folder: URL) -> [String: Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return Dictionary(
      names.map { name in (name, size(of: folder.appendingPathComponent(name).path)) },
      uniquingKeysWith: { first, _ in first })
  }

  /// Removes the compiled models of a bundle, as of one that is deleted; of none, nothing.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: they cannot be removed.
  public static func remove(_ identity: String, in folder: URL, disk: StoreDisk = .real) throws {
    let own = folder.appendingPathComponent(identity).path
    do {
      // First what says that the models are whole.
      try disk.remove(own + "/" + InstalledModels.fileName)
      try disk.remove(own)
    } catch {
      throw MobileOError(.usage, "\(own): cannot be removed (\(reason(error)))")
    }
  }

  private static func size(of path: String) -> Int {
    let files = (try? Files.everything(below: path)) ?? []
    return files.reduce(0) { sum, file in
      if case .file(let size) = Files.kind(path + "/" + file) { sum + size } else { sum }
    }
  }
}
