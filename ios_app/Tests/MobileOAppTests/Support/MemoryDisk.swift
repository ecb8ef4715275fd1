import Foundation
import MobileO
import MobileOApp

/// A disk in memory that fails, or dies, at a change of one's choice.
final class MemoryDisk: @unchecked Sendable {
  struct Dead: Error {}

  private let lock = NSLock()
  private var files: [String: [UInt8]] = [:]
  private var count = 0
  private var end = Int.max

  /// How many changes were asked for.
  var changes: Int { lock.withLock { count } }
  /// By path.
  var content: [String: [UInt8]] {
    get { lock.withLock { files } }
    set { lock.withLock { files = newValue } }
  }

  init(_ files: [String: [UInt8]] = [:]) { self.files = files }

  /// Dies at the change `number`, counted from 0: of a write half is there, and nothing changes after.
  func die(at number: Int) { lock.withLock { (end, count) = (number, 0) } }

  var disk: Disk {
    Disk(
      write: { path, bytes in
        try self.change { files in
          files[path] = bytes
        } dying: { files in
          files[path] = Array(bytes.prefix(bytes.count / 2))
        }
      },
      rename: { from, to in
        try self.change { files in
          guard let bytes = files.removeValue(forKey: from) else {
            throw MobileOError(.usage, "\(from): no such file")
          }
          files[to] = bytes
        }
      },
      remove: { path in try self.change { files in files[path] = nil } },
      read: { path in self.content[path] },
      names: { folder in
        self.content.keys.filter { $0.hasPrefix(folder + "/") }
          .map { String($0.dropFirst(folder.count + 1)) }.filter { !$0.contains("/") }.sorted()
      },
      makeFolder: { _ in })
  }

  private func change(
    _ body: (inout [String: [UInt8]]) throws -> Void,
    dying: (inout [String: [UInt8]]) -> Void = { _ in }
  ) throws {
    try lock.withLock {
      count += 1
      if count - 1 == end { dying(&files) }
      if count - 1 >= end { throw Dead() }
      try body(&files)
    }
  }
}
