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

/// The disk that a download is written to: its free space, and how bytes come there.
package struct DownloadDisk: Sendable {
  /// Free bytes where a folder lies.
  package var free: @Sendable (_ folder: String) -> Int
  /// Appends to an open file.
  package var write: @Sendable (_ file: FileHandle, _ data: Data) throws -> Void

  package init(
    free: @escaping @Sendable (String) -> Int,
    write: @escaping @Sendable (FileHandle, Data) throws -> Void
  ) {
    (self.free, self.write) = (free, write)
  }

  /// The one of this machine.
  package static let own = DownloadDisk(
    free: { folder in
      let found = try? FileManager.default.attributesOfFileSystem(forPath: folder)
      return (found?[.systemFreeSize] as? NSNumber)?.intValue ?? 0
    }, write: { file, data in try file.write(contentsOf: data) })

  /// What a failed write says, with what is still to come and what is free.
  func failure(_ folder: String, missing: Int) -> MobileOError {
    MobileOError(
      .space,
      "\(folder): cannot be written: \(bytesText(missing)) are still to come, "
        + "\(bytesText(free(folder))) are free; make room and start again, what came is kept")
  }
}
