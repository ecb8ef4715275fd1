import Foundation
import MobileO
import Testing

/// What an earlier run left is used, if it is good.
@Suite struct DownloadResumeTests {
  private let bundle: TestBundle

  init() throws { bundle = try TestBundle() }

  @Test func afterAFailureOnlyTheRestIsFetched() async throws {
    let first = try await Run(bundle) { [bundle] request in
      request.path == "/big file #1.bin" && request.earlier >= 3
        ? .init(status: 404) : .honest(request, bundle.files)
    }
    first.expectFailure(.download, "status 404")
    #expect(first.came == 12000)
    let second = try await Run(bundle, in: first.scratch) { [bundle] in .honest($0, bundle.files) }
    try second.expectWhole()
    #expect(second.server.sent == bundle.size - 12000)
    guard case .planned(let plan) = second.events.first else {
      Issue.record("no plan comes first")
      return
    }
    #expect(plan.total == bundle.size && plan.have == 12000)
    #expect(plan.missing == bundle.size - 12000 && second.came == plan.missing)
  }

  @Test func aFullDiskStopsItAndRoomLetsItGoOn() async throws {
    let room = Room(9000)
    var full = DownloadDisk.own
    full.free = { _ in 1 << 30 }
    full.write = { file, data in
      let fits = room.take(data.count)
      try file.write(contentsOf: data.prefix(fits))
      if fits < data.count { throw CocoaError(.fileWriteOutOfSpace) }
    }
    let first = try await Run(bundle, disk: full) { [bundle] in .honest($0, bundle.files) }
    first.expectFailure(.space, "still to come, 1.1 GB are free; make room")
    #expect(first.server.requests("/big file #1.bin") == 3, "nothing is tried again")
    let second = try await Run(bundle, in: first.scratch) { [bundle] in .honest($0, bundle.files) }
    try second.expectWhole()
    #expect(second.server.sent == bundle.size - 9000)
  }

  @Test func withoutSpaceItDoesNotBegin() async throws {
    var small = DownloadDisk.own
    small.free = { _ in 2000 }
    let run = try await Run(bundle, disk: small) { [bundle] in .honest($0, bundle.files) }
    run.expectFailure(.space, "the download needs 32.5 kB, 2.0 kB are free")
    #expect(run.server.paths == ["/manifest.json"])
    #expect(DownloadDisk.own.free(run.scratch.path) > 0)
  }

  @Test func whatIsLeftIsNotTrusted() async throws {
    let scratch = try Scratch()
    let files = scratch.path + "/bundle.part/files"
    let parts = scratch.path + "/bundle.part/parts"
    let manager = FileManager.default
    for folder in [files + "/llm/config.json/deeper", parts] {
      try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    // Of the right size, but spoiled: a finished file, a part, one that is too long, and strangers.
    let (big, config) = try (digest("/big file #1.bin"), digest("/llm/config.json"))
    try Files.write([UInt8](repeating: 7, count: 7), to: files + "/café ü.txt")
    try Files.write([UInt8](repeating: 7, count: 5000), to: parts + "/\(big).part")
    try Files.write(Array("\"1\"".utf8), to: parts + "/\(big).etag")
    try Files.write([UInt8](repeating: 7, count: 9999), to: parts + "/\(config).part")
    try Files.write([1], to: parts + "/0000.part")
    try Files.write([1], to: files + "/manifest.json")
    try manager.createSymbolicLink(atPath: files + "/empty", withDestinationPath: "/etc/passwd")
    let run = try await Run(bundle, in: scratch) { [bundle] in .honest($0, bundle.files) }
    try run.expectWhole()
    // The part was gone on with, found spoiled at its end, and came again.
    #expect(run.server.sent == bundle.size + 25000)
  }

  @Test func aFinishedFileThatTheDiskSpoiledComesAgain() async throws {
    let first = try await Run(bundle) { [bundle] request in
      request.path == "/llm/config.json"
        ? .init(status: 404) : .honest(request, bundle.files)
    }
    first.expectFailure(.download, "404")
    let place = first.scratch.path + "/bundle.part/files/big file #1.bin"
    var bytes = try Files.read(place)
    bytes[100] ^= 1
    try Files.write(bytes, to: place)
    let second = try await Run(bundle, in: first.scratch) { [bundle] in .honest($0, bundle.files) }
    try second.expectWhole()
    #expect(second.server.sent == 2500 + 30000)
  }

  @Test func cancelledItKeepsWhatCame() async throws {
    let server = try LyingServer { [bundle] request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      if request.path == "/big file #1.bin", request.earlier == 2 {
        (reply.cut, reply.end) = (1000, .hang)
      }
      return reply
    }
    let scratch = try Scratch()
    let download = Download(
      from: server.address, to: scratch.path + "/bundle", transport: URLSessionTransport(),
      settings: Run.quick)
    let task = Task {
      var came = 0
      for try await event in download.run() {
        if case .came(let count) = event { came += count }
        if case .finished = event { Issue.record("it goes on when cancelled") }
      }
      return came
    }
    let part = try scratch.path + "/bundle.part/parts/\(digest("/big file #1.bin")).part"
    for _ in 0..<400 where Files.kind(part) != .file(size: 9000) {
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect(Files.kind(part) == .file(size: 9000))
    let other = await failing { for try await _ in download.run() {} }
    #expect(other?.kind == .usage && other?.description.contains("another download") == true)
    task.cancel()
    _ = try? await task.value
    server.stop()
    #expect(Files.kind(scratch.path + "/bundle") == .missing)
    let again = try await Run(bundle, in: scratch) { [bundle] in .honest($0, bundle.files) }
    try again.expectWhole()
    #expect(again.server.sent == bundle.size - 9000)
  }

  @Test func whatIsThereIsNotOverwritten() async throws {
    let scratch = try Scratch()
    try Files.write([1], to: scratch.path + "/bundle")
    let run = try await Run(bundle, in: scratch) { [bundle] in .honest($0, bundle.files) }
    #expect(run.error?.kind == .usage)
    #expect(run.error?.description.contains("is there already") == true)
    #expect(try Files.read(scratch.path + "/bundle") == [1])
    #expect(run.server.paths == [])
    let nowhere = Download(from: run.server.address, to: "/proc/nothing/bundle")
    #expect(await failing { for try await _ in nowhere.run() {} }?.kind == .usage)
  }

  @Test func addressesOfNoBundleAreRefused() async throws {
    for text in ["file:///etc", "ftp://a/b", "http://a/b?c=d", "http:///b", "https://a/#c", "a/b"] {
      let url = try #require(URL(string: text))
      let scratch = try Scratch()
      let error = await failing {
        for try await _ in Download(from: url, to: scratch.path + "/x").run() {}
      }
      #expect(error?.kind == .usage && error?.description.contains(text) == true, "\(text)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == [])
    }
  }

  @Test func pausesGrow() {
    var settings = DownloadSettings()
    settings.longestPause = .seconds(20)
    let pauses = (1...7).map { settings.pause($0, asked: nil) }
    #expect(pauses == [1, 2, 4, 8, 16, 20, 20].map { .seconds($0) })
    #expect(settings.pause(1, asked: .seconds(9)) == .seconds(9))
    #expect(settings.pause(1000, asked: .seconds(9000)) == .seconds(20))
  }

  private func digest(_ path: String) throws -> String {
    SHA256Digest.of(try #require(bundle.files[path]))
  }
}

/// So many bytes of disk.
private final class Room: @unchecked Sendable {
  private let lock = NSLock()
  private var left: Int

  init(_ left: Int) { self.left = left }

  func take(_ count: Int) -> Int {
    lock.withLock {
      let taken = min(left, count)
      left -= taken
      return taken
    }
  }
}
