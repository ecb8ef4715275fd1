import Foundation
import MobileO

/// The few things that are done to files here: a value, so that tests can have one that fails or dies.
public struct Disk: Sendable {
  /// Writes a file and has the system put it on the disk.
  public var write: @Sendable (_ path: String, _ bytes: [UInt8]) throws -> Void
  /// Renames a file in one step; one that bears the new name is gone.
  public var rename: @Sendable (_ from: String, _ to: String) throws -> Void
  /// Removes a file; none there is no failure.
  public var remove: @Sendable (_ path: String) throws -> Void
  /// All bytes of a plain file; nil where nothing is.
  public var read: @Sendable (_ path: String) throws -> [UInt8]?
  /// The names in a folder, sorted; of none there, none.
  public var names: @Sendable (_ folder: String) throws -> [String]
  /// Makes a folder and those above it, where they are missing.
  public var makeFolder: @Sendable (_ path: String) throws -> Void

  /// A disk of one's own.
  public init(
    write: @escaping @Sendable (_ path: String, _ bytes: [UInt8]) throws -> Void,
    rename: @escaping @Sendable (_ from: String, _ to: String) throws -> Void,
    remove: @escaping @Sendable (_ path: String) throws -> Void,
    read: @escaping @Sendable (_ path: String) throws -> [UInt8]?,
    names: @escaping @Sendable (_ folder: String) throws -> [String],
    makeFolder: @escaping @Sendable (_ path: String) throws -> Void
  ) {
    (self.write, self.rename, self.remove) = (write, rename, remove)
    (self.read, self.names, self.makeFolder) = (read, names, makeFolder)
  }

  /// What a file is called until it is whole.
  package static let partial = ".partial"

  /// The file at `path` holds `bytes`, or what it held before: never a part.
  func replace(_ path: String, with bytes: [UInt8]) throws {
    try write(path + Self.partial, bytes)
    try rename(path + Self.partial, path)
  }

  /// The largest file that is read: a picture of 16,384 × 16,384 pixels that could not be packed.
  private static let largest = 1 << 30

  /// The file system.
  public static let real = Disk(
    write: { path, bytes in
      do {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? file.close() }
        try file.synchronize()
      } catch {
        throw MobileOError(
          .space, "\(path): cannot be written; make room on the device and try again")
      }
    },
    rename: { from, to in
      guard Foundation.rename(from, to) == 0 else {
        throw MobileOError(.space, "\(to): cannot be put in its place; try again")
      }
    },
    remove: { path in
      if Files.kind(path) == .missing { return }
      do {
        try FileManager.default.removeItem(atPath: path)
      } catch {
        throw MobileOError(.usage, "\(path): cannot be removed; try again")
      }
    },
    read: { path in
      if Files.target(path) == .missing { return nil }
      do {
        return try Files.read(path, limit: largest)
      } catch let problem as JSONReader.Problem {
        throw MobileOError(.usage, "\(path): \(problem.reason)")
      }
    },
    names: { folder in
      if Files.target(folder) == .missing { return [] }
      do {
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      } catch {
        throw MobileOError(.usage, "\(folder): cannot be read; it is to be a folder of yours")
      }
    },
    makeFolder: { path in
      do {
        try FileManager.default.createDirectory(
          atPath: path, withIntermediateDirectories: true)
      } catch {
        throw MobileOError(.space, "\(path): cannot be made; make room on the device")
      }
    })
}
