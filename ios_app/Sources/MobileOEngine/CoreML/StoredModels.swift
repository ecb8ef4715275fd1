import Foundation
import MobileO

extension CompiledStore {
  /// Removes the packages of all models that are compiled, which takes half of a bundle's room; what
  /// was removed, in bytes.
  ///
  /// Every byte of the compiled models is read before. The bundle is then no longer what was sealed,
  /// and a model that is damaged later has to be downloaded again.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: the manifest names a place outside of the bundle; of
  ///   kind `usage`: a package cannot be removed; `CancellationError`.
  public func removePackages() async throws -> Int {
    let damaged = try await damaged()
    var removed = 0
    for component in models.keys.sorted() where !damaged.contains(component) {
      for file in try sources(component) {
        let path = bundle.appendingPathComponent(file.path).path
        guard !file.path.split(separator: "/").contains("..") else {
          throw MobileOError(
            .bundle, "\(component): '\(file.path)' leaves the bundle; do not trust it")
        }
        if Files.kind(path) == .missing { continue }
        do {
          try disk.remove(path)
        } catch {
          throw MobileOError(.usage, "\(path): cannot be removed (\(reason(error)))")
        }
        removed += file.size
      }
    }
    return removed
  }

  /// Bytes that compiled models take, by the identity of their bundle.
  public static func sizes(in folder: URL) -> [String: Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    let paths = names.map { ($0, folder.appendingPathComponent($0).path) }
    return Dictionary(
      paths.filter { Files.kind($1) == .folder }.map { ($0, size(of: $1)) },
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
