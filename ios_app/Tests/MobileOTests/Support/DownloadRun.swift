import Foundation
import MobileO
import Testing

/// A small bundle as a server has it: by path, the manifest among them.
struct TestBundle: Sendable {
  let files: [String: [UInt8]]
  let identity: String
  let big = 30000

  /// Of all but the manifest.
  var size: Int { files.filter { $0.key != "/manifest.json" }.values.reduce(0) { $0 + $1.count } }

  /// With one entry more in the manifest, where `extra` names it.
  init(extra: String? = nil, size: Int = 0) throws {
    var random = Philox(seed: 5)
    var files = [
      "/big file #1.bin": (0..<30000).map { _ in UInt8(random.next() % 256) },
      "/llm/config.json": (0..<2500).map { _ in UInt8(random.next() % 256) },
      "/café ü.txt": Array("accents".utf8), "/empty": [],
    ]
    let corpus = try Files.json(Goldens.root + "/ios_app/Tests/Corpus/seal.json")["manifest"]
    var listed = files.sorted { Exact($0.key) < Exact($1.key) }.map { path, bytes in
      Self.entry(String(path.dropFirst()), bytes.count, SHA256Digest.of(bytes))
    }
    if let extra { listed.append(Self.entry(extra, size, SHA256Digest.of([]))) }
    let members = (corpus?.object?.members ?? []).map { key, value in
      (key: key, value: key == "files" ? JSONValue.array(listed) : value)
    }
    let manifest = Array(JSONValue.object(JSONObject(members)).text.utf8)
    files["/manifest.json"] = manifest
    self.files = files
    identity = SHA256Digest.of(manifest)
  }

  private static func entry(_ path: String, _ size: Int, _ digest: String) -> JSONValue {
    ["path": .string(path), "size": .integer(size), "sha256": .string(digest)]
  }
}

/// A download from a lying server, and what came of it.
struct Run {
  let server: LyingServer
  let bundle: TestBundle
  let scratch: Scratch
  let error: MobileOError?
  let events: [DownloadEvent]

  var folder: String { scratch.path + "/bundle" }

  /// Runs it into a new folder, or goes on in that of an earlier one.
  init(
    _ bundle: TestBundle, in scratch: Scratch? = nil, identity: String? = nil,
    stopped: Bool = false, stall: Duration = .seconds(10), disk: DownloadDisk = .own,
    _ answer: @escaping @Sendable (LyingServer.Request) -> LyingServer.Reply
  ) async throws {
    let server = try LyingServer(answer)
    if stopped { server.stop() }
    let scratch = try scratch ?? Scratch()
    var settings = Self.quick
    settings.stall = stall
    let download = Download(
      from: server.address, to: scratch.path + "/bundle", identity: identity,
      transport: URLSessionTransport(), settings: settings, disk: disk)
    var (error, events): (MobileOError?, [DownloadEvent]) = (nil, [])
    do {
      for try await event in download.run() { events.append(event) }
    } catch let thrown as MobileOError {
      error = thrown
    }
    if !stopped { server.stop() }
    (self.server, self.bundle, self.scratch) = (server, bundle, scratch)
    (self.error, self.events) = (error, events)
  }

  static var quick: DownloadSettings {
    var settings = DownloadSettings()
    settings.attempts = 4
    settings.firstPause = .milliseconds(1)
    settings.longestPause = .milliseconds(10)
    settings.block = 4000
    return settings
  }

  /// Bytes that came, less those that had to come again.
  var came: Int {
    events.reduce(0) { sum, event in if case .came(let count) = event { sum + count } else { sum } }
  }

  /// The bundle is there as it was sealed, and nothing else is.
  func expectWhole(_ location: SourceLocation = #_sourceLocation) throws {
    #expect(error == nil, sourceLocation: location)
    let manifest = try Manifest(folder: folder)
    #expect(manifest.identity == bundle.identity, sourceLocation: location)
    #expect(try Seal.verify(folder, manifest) == [], sourceLocation: location)
    #expect(events.last == .finished(manifest), sourceLocation: location)
    let beside = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
    #expect(beside == ["bundle"], sourceLocation: location)
  }

  /// It failed in words, and nothing looks like a bundle.
  func expectFailure(
    _ kind: MobileOError.Kind, _ said: String..., location: SourceLocation = #_sourceLocation
  ) {
    let text = error?.description ?? "no error"
    #expect(error?.kind == kind, "\(text)", sourceLocation: location)
    #expect(said.contains { $0.isEmpty || text.contains($0) }, "\(text)", sourceLocation: location)
    expectNothing(location)
  }

  func expectNothing(_ location: SourceLocation = #_sourceLocation) {
    #expect(Files.kind(folder) == .missing, sourceLocation: location)
    let left = (try? Files.everything(below: scratch.path)) ?? []
    #expect(!left.contains { $0.hasSuffix("manifest.json") }, "\(left)", sourceLocation: location)
  }
}
