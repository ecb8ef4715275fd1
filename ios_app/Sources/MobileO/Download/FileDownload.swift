import Foundation

/// Brings one file into its part, and tries again as its ``FileTransfer`` says.
actor FileDownload {
  private let url: URL
  private let file: Manifest.File
  private let part: String
  private let tag: String
  private let how: Download.Means
  private let report: @Sendable (DownloadEvent) -> Void
  private var transfer: FileTransfer
  private let output: FileHandle
  private var digest = SHA256Digest()

  /// Nothing begins; `report` takes `came` and `retrying`.
  init(
    _ file: Manifest.File, _ url: URL, _ staging: Staging, _ how: Download.Means,
    _ report: @escaping @Sendable (DownloadEvent) -> Void
  ) throws {
    (self.file, self.url, self.how, self.report) = (file, url, how, report)
    (part, tag) = (staging.part(file.sha256), staging.tag(file.sha256))
    if Files.kind(part) == .missing {
      _ = FileManager.default.createFile(atPath: part, contents: nil)
    }
    guard let output = FileHandle(forUpdatingAtPath: part) else {
      throw MobileOError(.usage, "\(part): cannot be written; choose a folder that is yours")
    }
    self.output = output
    transfer = FileTransfer(size: file.size, have: 0, tag: nil, how.settings)
  }

  deinit { try? output.close() }

  /// Comes back when the part is whole, with the contents that were sealed.
  ///
  /// - Throws: ``MobileOError`` of kind `download`: it gave up, or `space`; `CancellationError`. What came
  ///   is kept unless it is of no use.
  func run() async throws {
    try resume()
    while true {
      do {
        if !transfer.isWhole { try await attempt() }
        if !transfer.isWhole { continue }
        var whole = digest
        if whole.finish() == file.sha256 { return try onDisk { try output.synchronize() } }
        throw FileTransfer.Problem(reason: "has other contents than were sealed", spoils: true)
      } catch let error as MobileOError {
        throw error
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        try await recover(error as? FileTransfer.Problem ?? .broken(error))
      }
    }
  }

  /// Hashes what an earlier run left.
  private func resume() throws {
    var have = 0
    while let bytes = try onDisk({ try output.read(upToCount: 1 << 22) }), !bytes.isEmpty {
      try Task.checkCancellation()
      bytes.withUnsafeBytes { digest.update($0) }
      have += bytes.count
    }
    let known = (try? Files.read(tag, limit: 1000)).map { String(decoding: $0, as: UTF8.self) }
    transfer = FileTransfer(
      size: file.size, have: min(have, file.size), tag: known?.isEmpty == false ? known : nil,
      how.settings)
    if have > file.size { try restart() }
  }

  private func recover(_ problem: FileTransfer.Problem) async throws {
    let next = transfer.failed(problem)
    if problem.spoils { try restart() }
    guard case .again(let pause) = next else {
      throw MobileOError(
        .download,
        "\(url.absoluteString): \(problem.reason); "
          + (problem.spoils || problem.isFinal
            ? "ask whoever offers the bundle" : "try again later, what came is kept"))
    }
    report(.retrying(file.path, problem.reason, after: pause))
    try await Task.sleep(for: pause)
  }

  private func attempt() async throws {
    let request = DownloadRequest(url: url, range: transfer.range, validator: transfer.tag)
    try await watched(how.settings.stall) { pulse in
      let response = try await self.how.transport.send(request)
      pulse.beat()
      try await self.judge(response)
      for try await data in response.body {
        pulse.beat()
        try await self.take(data)
      }
      try Task.checkCancellation()  // a body also ends because nobody waits for it any more
      try await self.ended()
    }
  }

  private func judge(_ response: DownloadResponse) throws {
    let isNew = try transfer.judge(response.status, response.headers)
    if isNew { try truncate() }
    let text = transfer.tag ?? ""
    try? how.disk.put(tag, Array(text.utf8))
  }

  private func take(_ data: Data) throws {
    try transfer.received(data.count)
    try onDisk { try how.disk.write(output, data) }
    data.withUnsafeBytes { digest.update($0) }
    report(.came(data.count))
  }

  private func ended() throws { try transfer.ended() }

  private func restart() throws {
    try truncate()
    transfer.restart()
  }

  /// Throws away what came.
  private func truncate() throws {
    let before = try onDisk {
      let place = try output.offset()
      try output.truncate(atOffset: 0)
      return Int(place)
    }
    digest = SHA256Digest()
    if before > 0 { report(.came(-before)) }
  }

  private func onDisk<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch {
      throw how.disk.failure(part, missing: file.size - transfer.have)
    }
  }
}

extension FileTransfer.Problem {
  /// What a connection that failed says.
  static func broken(_ error: any Error) -> Self {
    if error is Stall { return Self(reason: "stopped sending") }
    let said = oneLine(error.localizedDescription, longest: 120)
    return Self(reason: "the connection broke (\(said))")
  }
}

/// Nothing came for too long.
struct Stall: Error {}

/// Counts what comes.
final class Pulse: @unchecked Sendable {
  private let lock = NSLock()
  private var beats = 0

  func beat() { lock.withLock { beats += 1 } }
  var count: Int { lock.withLock { beats } }
}

/// Runs `body`, and ends it with ``Stall`` where its pulse does not beat for `longest`.
///
/// Looked at four times meanwhile: a process that slept itself finds one quarter silent, no more.
func watched(
  _ longest: Duration, _ body: @escaping @Sendable (Pulse) async throws -> Void
) async throws {
  let pulse = Pulse()
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await body(pulse) }
    group.addTask {
      var silent = 0
      while silent < 4 {
        let before = pulse.count
        try await Task.sleep(for: longest / 4)
        silent = pulse.count == before ? silent + 1 : 0
      }
      throw Stall()
    }
    try await group.next()
    group.cancelAll()
  }
}
