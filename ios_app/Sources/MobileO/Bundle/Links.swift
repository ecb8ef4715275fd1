import Foundation

/// Which links in a bundle are followed: those of a download cache, into its own blobs.
///
/// The cache of the Hugging Face hub holds a repository as `models--OWNER--NAME`: every file of
/// `snapshots/REVISION` is a link to `blobs/HASH` of that folder. Any other link could lead anywhere.
package enum Links {
  /// Whether `path` is a file that may be read: one of its own, or of a cache; its size in bytes.
  static func size(_ path: String) -> Int? {
    switch Files.kind(path) {
    case .file(let size): size
    case .link: cached(path)
    default: nil
    }
  }

  /// Refuses `path`, or anything below it, that is a link but not one of a cache.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: names the link.
  package static func check(_ path: String) throws {
    var pending = [path]
    while let place = pending.popLast() {
      switch Files.kind(place) {
      case .link:
        if cached(place) == nil {
          throw MobileOError(
            .bundle,
            "\(place): a link that leads outside of what was sealed; copy the bundle with its "
              + "contents (cp -rL), or download it again")
        }
      case .folder:
        let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
        pending += names.map { place + "/" + $0 }
      default: break
      }
    }
  }

  /// The size of a plain file that a cache shows by the link `path`; nil of any other link.
  private static func cached(_ path: String) -> Int? {
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path),
      let here = resolved(parent), let blobs = blobs(of: here)
    else { return nil }
    let parts = target.split(separator: "/", omittingEmptySubsequences: false)
    guard let name = parts.last, !name.isEmpty, name != "..", name != "." else { return nil }
    let folder = parts.dropLast().joined(separator: "/")
    let place = target.hasPrefix("/") ? (folder.isEmpty ? "/" : folder) : here + "/" + folder
    guard resolved(place) == blobs, case .file(let size) = Files.kind(blobs + "/" + name) else {
      return nil
    }
    return size
  }

  /// The blobs of the cache that the resolved `path` lies in.
  private static func blobs(of path: String) -> String? {
    let parts = path.split(separator: "/")
    for place in parts.indices.reversed() where place > 0 && parts[place - 1] == "snapshots" {
      let blobs = "/" + (parts[..<(place - 1)] + ["blobs"]).joined(separator: "/")
      if Files.kind(blobs) == .folder { return blobs }
    }
    return nil
  }

  private static func resolved(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }
}
