import Foundation
import MobileO

/// The few things that are done to the folders of bundles: a value, so that tests can have one that
/// fails or dies.
public struct BundleFiles: Sendable {
  /// Copies a plain file to a place where nothing is; folders above it are made.
  public var copy: @Sendable (_ from: String, _ to: String) throws -> Void
  /// Renames a file or a folder in one step; a file that bears the new name is gone.
  public var rename: @Sendable (_ from: String, _ to: String) throws -> Void
  /// Removes a file, or a folder with all that is in it; none there is no failure.
  public var remove: @Sendable (_ path: String) throws -> Void
  /// Writes a small file, whole or not at all.
  public var write: @Sendable (_ path: String, _ bytes: [UInt8]) throws -> Void
  /// Appends to an open file: what comes of a download.
  public var append: @Sendable (_ file: FileHandle, _ data: Data) throws -> Void
  /// Free bytes where a folder lies.
  public var free: @Sendable (_ folder: String) -> Int

  /// Ways of one's own.
  public init(
    copy: @escaping @Sendable (String, String) throws -> Void,
    rename: @escaping @Sendable (String, String) throws -> Void,
    remove: @escaping @Sendable (String) throws -> Void,
    write: @escaping @Sendable (String, [UInt8]) throws -> Void,
    append: @escaping @Sendable (FileHandle, Data) throws -> Void,
    free: @escaping @Sendable (String) -> Int
  ) {
    (self.copy, self.rename, self.remove) = (copy, rename, remove)
    (self.write, self.append, self.free) = (write, append, free)
  }

  /// The file system.
  public static let real = BundleFiles(
    copy: { from, to in
      try made(to) {
        let parent = URL(fileURLWithPath: to).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: from, toPath: to)
      }
    },
    rename: { from, to in
      try made(to) { try DownloadDisk.own.rename(from, to) }
    },
    remove: { path in
      if Files.kind(path) == .missing { return }
      do {
        try FileManager.default.removeItem(atPath: path)
      } catch {
        throw MobileOError(.usage, "\(path): cannot be removed; try again")
      }
    },
    write: { path, bytes in
      try made(path) {
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try Disk.real.replace(path, with: bytes)
      }
    },
    append: DownloadDisk.own.write, free: DownloadDisk.own.free)

  /// The same, for what a download and a repair change.
  var disk: DownloadDisk {
    var disk = DownloadDisk.own
    (disk.free, disk.write, disk.put) = (free, append, write)
    (disk.rename, disk.remove) = (rename, remove)
    return disk
  }

  private static func made(_ path: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as MobileOError {
      throw error
    } catch {
      throw MobileOError(
        .space, "\(path): cannot be written; make room on the device and try again")
    }
  }

  /// Of all plain files in `folder`, in bytes; links are not followed.
  static func size(of folder: String) -> Int {
    let files = (try? Files.everything(below: folder)) ?? []
    return InstalledBundle.sum(
      files.map { path in
        if case .file(let size) = Files.kind(folder + "/" + path) { size } else { 0 }
      })
  }
}
