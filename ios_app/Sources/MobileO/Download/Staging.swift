import Foundation

/// The folder beside its destination in which a bundle gathers: finished files under their names, and
/// parts under the sha256 that they shall have. It holds no manifest before everything is there.
struct Staging: Sendable {
  /// Where the bundle appears in the end.
  let destination: String
  let disk: DownloadDisk

  var folder: String { destination + ".part" }
  /// What becomes the bundle.
  var files: String { folder + "/files" }
  private var parts: String { folder + "/parts" }

  /// Makes the folder, or takes over what an earlier download left in it.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: the destination is there already, the folder cannot be
  ///   made, or another download is writing to it.
  func begin() throws -> Lock {
    if Files.kind(destination) != .missing {
      throw MobileOError(
        .usage, "\(destination): is there already; remove it, or choose another folder")
    }
    for path in [folder, files, parts] {
      switch Files.kind(path) {
      case .folder: break
      case .missing:
        try made(path) {
          try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
      default:
        throw MobileOError(.usage, "\(path): is no folder; remove it and start again")
      }
    }
    return try Lock(folder + "/lock")
  }

  /// What of `manifest` is there; anything else is removed.
  func plan(_ manifest: Manifest, at place: String) throws -> DownloadPlan {
    // Hostile paths are refused before anything is touched.
    _ = try DownloadPlan(manifest, at: place)
    let digests = Set(manifest.files.map(\.sha256))
    let paths = Set(manifest.files.map { Exact($0.path) })
    var (whole, begun) = ([Exact: Int](), [String: Int]())
    try made(folder) {
      for path in try Files.everything(below: files) {
        if paths.contains(Exact(path)), case .file(let size) = Files.kind(files + "/" + path) {
          whole[Exact(path)] = size
        } else {
          try disk.remove(files + "/" + path)
        }
      }
      for name in try manager.contentsOfDirectory(atPath: parts) {
        let digest = name.split(separator: ".").first.map(String.init) ?? ""
        if !digests.contains(digest) {
          try disk.remove(parts + "/" + name)
        } else if case .file(let size) = Files.kind(part(digest)) {
          begun[digest] = size
        }
      }
    }
    return try DownloadPlan(manifest, at: place, whole: whole, parts: begun)
  }

  /// Where a file gathers.
  func part(_ digest: String) -> String { "\(parts)/\(digest).part" }

  /// Where the entity tag of a part is kept.
  func tag(_ digest: String) -> String { "\(parts)/\(digest).etag" }

  /// A part is what it should be: it takes its place.
  func finish(_ file: Manifest.File) throws {
    let path = files + "/" + file.path
    try made(path) {
      let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
      try manager.createDirectory(atPath: parent, withIntermediateDirectories: true)
      if Files.kind(path) == .folder { try disk.remove(path) }
      try disk.rename(part(file.sha256), path)
    }
    try? disk.remove(tag(file.sha256))
  }

  /// Takes a file away that turned out not to be as sealed.
  func drop(_ path: String) { try? disk.remove(files + "/" + path) }

  /// The bundle appears at its destination, in one step.
  func appear(_ manifest: [UInt8]) throws {
    try disk.put(files + "/" + Manifest.fileName, manifest)
    try made(destination) { try disk.rename(files, destination) }
    try? disk.remove(folder)
  }

  /// A finished file takes its place in a bundle that is there already.
  func give(_ path: String, to bundle: String) throws {
    let target = bundle + "/" + path
    try made(target) {
      let parent = URL(fileURLWithPath: target).deletingLastPathComponent().path
      try manager.createDirectory(atPath: parent, withIntermediateDirectories: true)
      try disk.rename(files + "/" + path, target)
    }
  }

  /// Nothing of it is wanted any more.
  func clear() { try? disk.remove(folder) }

  private var manager: FileManager { .default }

  private func made(_ path: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as MobileOError {
      throw error
    } catch {
      throw MobileOError(
        .usage, "\(path): cannot be written; choose a folder that is there and yours")
    }
  }

  /// Held while a download writes to the folder; the system lets go of it when the process ends.
  final class Lock: Sendable {
    private let file: FileHandle

    fileprivate init(_ path: String) throws {
      if Files.kind(path) == .missing {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
      }
      guard let file = FileHandle(forWritingAtPath: path),
        flock(file.fileDescriptor, LOCK_EX | LOCK_NB) == 0
      else {
        throw MobileOError(
          .usage, "\(path): another download is writing there; wait for it, or stop it")
      }
      self.file = file
    }

    deinit { try? file.close() }
  }
}
