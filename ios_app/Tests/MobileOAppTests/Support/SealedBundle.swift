import Foundation
import MobileO
import MobileOApp

/// The toy's bundle with a seal that holds: every file listed, with size and sha256.
struct SealedBundle {
  let scratch: Scratch
  let manifest: Manifest

  var url: URL { scratch.url }
  var id: String { manifest.identity }

  /// One called `name`, so that there can be several; it says that it has a trace if `isRecorded`.
  init(_ name: String = "toy", isRecorded: Bool = false) throws {
    let scratch = try ToyBundle.made()
    self.scratch = scratch
    let weights = scratch.path + "/transformer.mlpackage/Data"
    try FileManager.default.createDirectory(atPath: weights, withIntermediateDirectories: true)
    try Files.write(
      (0..<5000).map { UInt8($0 % 251) }, to: weights + "/weight.bin")
    let path = scratch.path + "/" + Manifest.fileName
    let content = try Files.json(path)
    let listed = try Files.everything(below: scratch.path)
      .filter { $0 != Manifest.fileName }.sorted().map { file -> JSONValue in
        let bytes = try Files.read(scratch.path + "/" + file)
        return [
          "path": .string(file), "size": .integer(bytes.count),
          "sha256": .string(SHA256Digest.of(bytes)),
        ]
      }
    let golden: [(key: String, value: JSONValue)] =
      isRecorded ? [("golden", ["index": "golden/index.json", "format_version": 1])] : []
    let whole = JSONValue.object(JSONObject((content.object?.members ?? []) + golden))
    let sealed = whole.replacing("files") { _ in .array(listed) }
      .replacing("source") { source in source.replacing("name") { _ in .string(name) } }
    try Files.write(Array(sealed.text.utf8), to: path)
    manifest = try Manifest(folder: scratch.path)
  }

  /// By path from the root, as a server has them.
  var files: [String: [UInt8]] {
    get throws {
      try Dictionary(
        uniqueKeysWithValues: Files.everything(below: scratch.path).map {
          ("/" + $0, try Files.read(scratch.path + "/" + $0))
        })
    }
  }
}

/// A server in memory that answers ranges, and does what a test wants at each request.
final class FakeServer: Transport, @unchecked Sendable {
  typealias Hook = @Sendable (_ path: String, _ number: Int) async throws -> Void

  static let address = "https://example.org/toy"
  private let lock = NSLock()
  private var files: [String: [UInt8]]
  private var asked: [String] = []
  private var hook: Hook?

  init(_ files: [String: [UInt8]]) { self.files = files }

  /// The paths that were asked for, in order.
  var requests: [String] { lock.withLock { asked } }

  func onRequest(_ hook: Hook?) { lock.withLock { self.hook = hook } }

  func put(_ path: String, _ bytes: [UInt8]?) { lock.withLock { files[path] = bytes } }

  func send(_ request: DownloadRequest) async throws -> DownloadResponse {
    let path =
      String(request.url.absoluteString.dropFirst(Self.address.count))
      .removingPercentEncoding ?? ""
    let (hook, number, found) = lock.withLock {
      asked.append(path)
      return (self.hook, asked.count - 1, files[path])
    }
    try await hook?(path, number)
    guard let found else {
      return DownloadResponse(status: 404, headers: [:], body: Self.body([]))
    }
    var headers = ["ETag": "\"\(SHA256Digest.of(found).prefix(16))\"", "Accept-Ranges": "bytes"]
    if let range = request.range {
      let part = Array(found[range.clamped(to: 0..<found.count)])
      headers["Content-Range"] =
        "bytes \(range.lowerBound)-\(range.lowerBound + part.count - 1)/\(found.count)"
      headers["Content-Length"] = String(part.count)
      return DownloadResponse(status: 206, headers: headers, body: Self.body(part))
    }
    headers["Content-Length"] = String(found.count)
    return DownloadResponse(status: 200, headers: headers, body: Self.body(found))
  }

  private static func body(_ bytes: [UInt8]) -> AsyncThrowingStream<Data, any Error> {
    AsyncThrowingStream { continuation in
      for start in stride(from: 0, to: bytes.count, by: 1000) {
        continuation.yield(Data(bytes[start..<min(start + 1000, bytes.count)]))
      }
      continuation.finish()
    }
  }
}

/// The file system, which fails from a change of one's choice on: a copy is half made then.
final class DyingFiles: @unchecked Sendable {
  struct Dead: Error {}

  private let lock = NSLock()
  private var count = 0
  private var end = Int.max
  private var room = 1 << 40

  /// How many changes were asked for.
  var changes: Int { lock.withLock { count } }
  /// Bytes that are free.
  var free: Int {
    get { lock.withLock { room } }
    set { lock.withLock { room = newValue } }
  }

  /// Dies at the change `number`, counted from 0.
  func die(at number: Int) { lock.withLock { (end, count) = (number, 0) } }

  var files: BundleFiles {
    let real = BundleFiles.real
    return BundleFiles(
      copy: { from, to in
        try self.change {
          try real.copy(from, to)
        } dying: {
          try? real.copy(from, to)
          let bytes = (try? Files.read(to)) ?? []
          try? Files.write(Array(bytes.prefix(bytes.count / 2)), to: to)
        }
      },
      rename: { from, to in try self.change { try real.rename(from, to) } },
      remove: { path in
        try self.change {
          try real.remove(path)
        } dying: {
          // A folder goes file by file.
          if let first = try? Files.everything(below: path).first {
            try? real.remove(path + "/" + first)
          }
        }
      },
      write: { path, bytes in try self.change { try real.write(path, bytes) } },
      append: { file, data in
        try self.change {
          try real.append(file, data)
        } dying: {
          try? real.append(file, data.prefix(data.count / 2))
        }
      }, free: { _ in self.free })
  }

  /// What is compiled, with its bytes, by bundle.
  func compiled(_ sizes: Box<[String: Int]>) -> CompiledFolders {
    CompiledFolders(
      size: { sizes.value[$0] ?? 0 },
      remove: { bundle in try self.change { sizes.value[bundle] = nil } })
  }

  private func change(_ body: () throws -> Void, dying: () -> Void = {}) throws {
    let dead = lock.withLock {
      count += 1
      return count - 1 < end ? 0 : count - 1 == end ? 1 : 2
    }
    if dead == 1 { dying() }
    if dead > 0 { throw Dead() }
    try body()
  }
}
