import Foundation

/// What happens while a bundle is downloaded, in order; ``finished(_:)`` is the last.
public enum DownloadEvent: Sendable, Equatable {
  /// The manifest is here: what is there of the bundle, and what is still to come.
  case planned(DownloadPlan)
  /// So many bytes more are there; less than none where something has to come again.
  case came(Int)
  /// A file failed for a reason and is tried again after a pause.
  case retrying(String, String, after: Duration)
  /// All files are there; they are hashed once more.
  case verifying
  /// The bundle is at its destination.
  case finished(Manifest)
}

/// A bundle that is brought from a server into a folder: whole, as it was sealed, or not at all.
///
///     let download = Download(from: url, to: path)
///     for try await event in download.run() { … }
///
/// `URL/manifest.json` lists the files, with sizes and sha256. What came is kept in `FOLDER.part` if it
/// fails or is cancelled, and the next run goes on from there. Every file is hashed as it comes, and all of
/// them before the folder appears. A manifest is not signed: give its sha256 where you know it.
public struct Download: Sendable {
  /// What a download is made with.
  struct Means: Sendable {
    let transport: any Transport
    let settings: DownloadSettings
    let disk: DownloadDisk
  }

  let base: String
  let staging: Staging
  private let identity: String?
  let how: Means

  /// A download of the bundle at `base` into `folder`, which must not be there yet; nothing begins.
  ///
  /// - Parameters:
  ///   - identity: sha256 of the manifest, in hexadecimal, where it is known (``Manifest/identity``).
  public init(
    from base: URL, to folder: String, identity: String? = nil,
    transport: any Transport = URLSessionTransport(), settings: DownloadSettings = .init()
  ) {
    self.init(
      from: base, to: folder, identity: identity, transport: transport, settings: settings,
      disk: .own)
  }

  /// The same on another disk.
  package init(
    from base: URL, to folder: String, identity: String? = nil, transport: any Transport,
    settings: DownloadSettings, disk: DownloadDisk
  ) {
    let address = base.absoluteString
    self.base = address.hasSuffix("/") ? String(address.dropLast()) : address
    self.identity = identity
    staging = Staging(destination: URL(fileURLWithPath: folder).path, disk: disk)
    how = Means(transport: transport, settings: settings, disk: disk)
  }

  /// The same into another place.
  init(_ other: Download, into staging: Staging) {
    (base, identity, how) = (other.base, other.identity, other.how)
    self.staging = staging
  }

  /// Downloads, or goes on with what an earlier run left.
  ///
  /// The stream fails with ``MobileOError``: of kind `download` where server or connection do not do, of
  /// kind `space` before it begins and when the disk is full, of kind `bundle` where the manifest cannot
  /// be trusted or read. If the task that reads it is cancelled, it ends without ``DownloadEvent/finished(_:)``.
  public func run() -> AsyncThrowingStream<DownloadEvent, any Error> {
    events { emit in emit(.finished(try await bring(emit))) }
  }

  /// What there is to be downloaded, and what of it an earlier run left here: the manifest is read, and
  /// nothing else.
  ///
  /// - Throws: as ``run()`` fails, but not for want of space: see ``DownloadPlan/check(free:in:)``.
  public func plan() async throws -> (manifest: Manifest, plan: DownloadPlan, free: Int) {
    try checkAddress()
    let lock = try staging.begin()
    defer { withExtendedLifetime(lock) {} }
    let (manifest, _) = try await fetchManifest { _ in }
    try Task.checkCancellation()
    return (manifest, try staging.plan(manifest, at: base), how.disk.free(staging.files))
  }

  private func bring(_ emit: @escaping @Sendable (DownloadEvent) -> Void) async throws -> Manifest {
    try checkAddress()
    let lock = try staging.begin()
    defer { withExtendedLifetime(lock) {} }
    let (manifest, bytes) = try await fetchManifest(emit)
    var plan = try staging.plan(manifest, at: base)
    try plan.check(free: how.disk.free(staging.files), in: staging.destination)
    emit(.planned(plan))
    var problems: [Seal.Problem] = []
    for _ in 0..<2 {  // what a disk spoiled is fetched once more
      try await fetch(plan, emit)
      emit(.verifying)
      problems = try Seal.verify(staging.files, manifest)
      if problems.isEmpty {
        try staging.appear(bytes)
        return manifest
      }
      for problem in problems { staging.drop(problem.path) }
      plan = try staging.plan(manifest, at: base)
      emit(.planned(plan))
    }
    throw MobileOError(
      .download,
      "\(staging.destination): \(problems.count) files are other than what came, the first is "
        + "\(problems.first?.path ?? ""); check the disk")
  }

  func fetch(
    _ plan: DownloadPlan, _ emit: @escaping @Sendable (DownloadEvent) -> Void
  ) async throws {
    for item in plan.items where !item.isWhole {
      try Task.checkCancellation()
      let url = try address(item.file.path)
      try await FileDownload(item.file, url, staging, how, emit).run()
      try staging.finish(item.file)
    }
  }

  /// The manifest, and its very bytes.
  private func fetchManifest(
    _ emit: @Sendable (DownloadEvent) -> Void
  ) async throws -> (Manifest, [UInt8]) {
    let url = try address(Manifest.fileName)
    var transfer = FileTransfer(size: Files.largestJSON, have: 0, tag: nil, how.settings)
    while true {
      do {
        let bytes = try await small(url)
        let found = SHA256Digest.of(bytes)
        if let identity, identity.lowercased() != found {
          throw FileTransfer.Problem(
            reason: "is another than the manifest that was asked for (sha256 \(found.prefix(16))…)",
            isFinal: true)
        }
        return (try Manifest(bytes: bytes, path: url.absoluteString), bytes)
      } catch let error as MobileOError {
        throw error
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        let problem = error as? FileTransfer.Problem ?? .broken(error)
        guard case .again(let pause) = transfer.failed(problem) else {
          throw MobileOError(
            .download, "\(url.absoluteString): \(problem.reason); check the address of the bundle")
        }
        emit(.retrying(Manifest.fileName, problem.reason, after: pause))
        try await Task.sleep(for: pause)
      }
    }
  }

  /// The body of a document that has to fit in memory.
  private func small(_ url: URL) async throws -> [UInt8] {
    let collected = Collected()
    try await watched(how.settings.stall) { pulse in
      let response = try await how.transport.send(DownloadRequest(url: url))
      pulse.beat()
      let length = response.headers["content-length"].flatMap { Int($0) }
      if let length, length > Files.largestJSON {
        throw FileTransfer.Problem(reason: "has \(length) bytes, too many for a manifest")
      }
      let size = length ?? Files.largestJSON
      var transfer = FileTransfer(size: size, have: 0, tag: nil, how.settings)
      _ = try transfer.judge(response.status, response.headers)
      for try await data in response.body {
        pulse.beat()
        try transfer.received(data.count)
        collected.append(data)
      }
      try Task.checkCancellation()
      if length != nil { try transfer.ended() }
    }
    let bytes = collected.bytes
    do {
      _ = try JSONReader.document(bytes)
    } catch let problem as JSONReader.Problem {
      throw FileTransfer.Problem(reason: "is no manifest (\(problem.reason))")
    }
    return bytes
  }

  func checkAddress() throws {
    let parts = URLComponents(string: base)
    guard ["http", "https"].contains(parts?.scheme ?? ""), parts?.host?.isEmpty == false,
      parts?.query == nil, parts?.fragment == nil
    else {
      throw MobileOError(
        .usage, "\(base): no address of a bundle; give http(s)://… of the folder with its manifest")
    }
  }

  /// The address of a file; everything in its name but letters, digits and `-._~` is spelled out.
  private func address(_ path: String) throws -> URL {
    var text = base + "/"
    for byte in path.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "/"):
        text.unicodeScalars.append(Unicode.Scalar(byte))
      default: text += String(format: "%%%02X", byte)
      }
    }
    guard let url = URL(string: text) else {
      throw MobileOError(.usage, "\(base): no address; check how it is spelled")
    }
    return url
  }
}

/// The bytes of a small body.
private final class Collected: @unchecked Sendable {
  private let lock = NSLock()
  private var data = Data()

  func append(_ part: Data) { lock.withLock { data.append(part) } }
  var bytes: [UInt8] { lock.withLock { [UInt8](data) } }
}
