import Foundation
import MobileO

/// What a store of compiled models does to files: a value, so that tests can have one that dies.
public struct StoreDisk: Sendable {
  /// Makes a folder and those above it, where they are missing.
  public var makeFolder: @Sendable (_ path: String) throws -> Void
  /// Moves a file or folder to a place where nothing is, from another volume too.
  public var move: @Sendable (_ from: String, _ to: String) throws -> Void
  /// Renames a file or folder in one step; a file that bears the new name is gone.
  public var rename: @Sendable (_ from: String, _ to: String) throws -> Void
  /// Removes a file or folder with all that is in it; none there is no failure.
  public var remove: @Sendable (_ path: String) throws -> Void
  /// Writes a file and has the system put it on the disk.
  public var write: @Sendable (_ path: String, _ bytes: [UInt8]) throws -> Void
  /// Keeps a folder out of backups: what it holds can be made again.
  public var excludeFromBackup: @Sendable (_ path: String) throws -> Void

  /// A disk of one's own.
  public init(
    makeFolder: @escaping @Sendable (_ path: String) throws -> Void,
    move: @escaping @Sendable (_ from: String, _ to: String) throws -> Void,
    rename: @escaping @Sendable (_ from: String, _ to: String) throws -> Void,
    remove: @escaping @Sendable (_ path: String) throws -> Void,
    write: @escaping @Sendable (_ path: String, _ bytes: [UInt8]) throws -> Void,
    excludeFromBackup: @escaping @Sendable (_ path: String) throws -> Void
  ) {
    (self.makeFolder, self.move, self.rename) = (makeFolder, move, rename)
    (self.remove, self.write, self.excludeFromBackup) = (remove, write, excludeFromBackup)
  }

  /// The file system.
  public static let real = StoreDisk(
    makeFolder: { path in
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    },
    move: { try FileManager.default.moveItem(atPath: $0, toPath: $1) },
    rename: { from, to in
      if Foundation.rename(from, to) != 0 {
        throw MobileOError(.space, "\(to): cannot be put in its place; try again")
      }
    },
    remove: { path in
      if Files.kind(path) != .missing { try FileManager.default.removeItem(atPath: path) }
    },
    write: { path, bytes in
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      defer { try? file.close() }
      try file.synchronize()
    },
    excludeFromBackup: { path in
      #if canImport(Darwin)
        var url = URL(fileURLWithPath: path)
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try url.setResourceValues(values)
      #endif
    })
}
