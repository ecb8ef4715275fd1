import Foundation

/// How patient a download is.
public struct DownloadSettings: Sendable, Equatable {
  /// How often in a row a file may fail without getting further than ever before.
  public var attempts = 6
  /// How long the first pause is; each that follows takes twice as long.
  public var firstPause: Duration = .seconds(1)
  /// How long a pause is at most, whatever the server asks for.
  public var longestPause: Duration = .seconds(60)
  /// How long nothing may come.
  public var stall: Duration = .seconds(30)
  /// How many bytes one request asks for: bounds what waits in memory to be written.
  public var block = 16 << 20

  /// What suits most networks.
  public init() {}

  /// The pause after this many failures in a row.
  package func pause(_ failures: Int, asked: Duration?) -> Duration {
    let doubled = firstPause * (1 << min(max(failures, 1) - 1, 20))
    return min(longestPause, max(doubled, asked ?? .zero))
  }
}

/// The disk that a download is written to: its free space, and what changes on it.
package struct DownloadDisk: Sendable {
  /// Free bytes where a folder lies.
  package var free: @Sendable (_ folder: String) -> Int
  /// Appends to an open file.
  package var write: @Sendable (_ file: FileHandle, _ data: Data) throws -> Void
  /// Writes a small file, whole or not at all.
  package var put: @Sendable (_ path: String, _ bytes: [UInt8]) throws -> Void
  /// Renames a file or a folder in one step; a file that bears the new name is gone.
  package var rename: @Sendable (_ from: String, _ to: String) throws -> Void
  /// Removes what is at a path, a folder with all that is in it.
  package var remove: @Sendable (_ path: String) throws -> Void

  /// The one of this machine; tests change what they want to see fail.
  package static let own = DownloadDisk(
    free: { folder in
      let found = try? FileManager.default.attributesOfFileSystem(forPath: folder)
      return (found?[.systemFreeSize] as? NSNumber)?.intValue ?? 0
    },
    write: { file, data in try file.write(contentsOf: data) },
    put: { path, bytes in try Files.write(bytes, to: path) },
    rename: { from, to in
      if Foundation.rename(from, to) != 0 { throw CocoaError(.fileWriteUnknown) }
    },
    remove: { path in try FileManager.default.removeItem(atPath: path) })

  /// What a failed write says, with what is still to come and what is free.
  func failure(_ folder: String, missing: Int) -> MobileOError {
    MobileOError(
      .space,
      "\(folder): cannot be written: \(bytesText(missing)) are still to come, "
        + "\(bytesText(free(folder))) are free; make room and start again, what came is kept")
  }
}
