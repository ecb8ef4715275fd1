import Foundation
import MobileO
import Testing

/// Downloads from a server that lies: whole and verified, or a typed error and nothing that looks whole.
@Suite struct DownloadTests {
  @Test func anHonestServerGivesTheBundle() async throws {
    let bundle = try TestBundle()
    let run = try await Run(bundle) { .honest($0, bundle.files) }
    try run.expectWhole()
    #expect(run.server.sent == bundle.size)
    #expect(run.server.requests("/big file #1.bin") == (bundle.big + 3999) / 4000)
    #expect(run.server.requests("/empty") == 0, "nothing has to be asked for")
  }

  @Test func aServerWithoutRangesDoesToo() async throws {
    let bundle = try TestBundle()
    let run = try await Run(bundle) { .init(body: bundle.files[$0.path] ?? []) }
    try run.expectWhole()
    #expect(run.server.sent == bundle.size)
  }

  @Test func anErrorPageIsNoFile() async throws {
    let bundle = try TestBundle()
    let page = Array("<html>Please log in</html>".utf8)
    for path in ["/manifest.json", "/llm/config.json"] {
      let always = try await Run(bundle) { request in
        request.path == path ? .init(body: page) : .honest(request, bundle.files)
      }
      always.expectFailure(.download, "manifest.json: is no manifest", "has 26 bytes, ")
      #expect(always.server.requests(path) == 4)
      let twice = try await Run(bundle) { request in
        request.path == path && request.earlier < 2
          ? .init(body: page) : .honest(request, bundle.files)
      }
      try twice.expectWhole()
    }
    // As long as the file, and without a length: only its hash tells.
    let length = bundle.files["/llm/config.json"]?.count ?? 0
    let same = try await Run(bundle) { request in
      request.path == "/llm/config.json"
        ? .init(body: [UInt8](repeating: 60, count: length), saysLength: false)
        : .honest(request, bundle.files)
    }
    same.expectFailure(.download, "other contents than were sealed")
    let endless = try await Run(bundle) { request in
      request.path == "/llm/config.json"
        ? .init(body: [UInt8](repeating: 60, count: 100_000), saysLength: false)
        : .honest(request, bundle.files)
    }
    endless.expectFailure(.download, "sends more than was asked for")
  }

  @Test func aBodyThatEndsEarlyIsGoneOnWith() async throws {
    let bundle = try TestBundle()
    let some = try await Run(bundle) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      if request.earlier % 2 == 0, reply.body.count > 700 { reply.cut = 700 }
      return reply
    }
    try some.expectWhole()
    #expect(some.server.sent <= bundle.size)
    let always = try await Run(bundle) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      if request.path == "/big file #1.bin" { reply = .init(body: reply.body, cut: 0) }
      return reply
    }
    always.expectFailure(.download, "big%20file%20%231.bin")
    let quiet = try await Run(bundle) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      (reply.saysLength, reply.cut) = (false, min(reply.body.count, 900))
      return request.path == "/manifest.json" ? .honest(request, bundle.files) : reply
    }
    try quiet.expectWhole()
    #expect(quiet.server.sent == bundle.size)
  }

  @Test func aPartThatWasNotAskedForIsNotTaken() async throws {
    let bundle = try TestBundle()
    for lie in [
      "bytes 1-4000/30000", "bytes 0-3998/30000", "bytes 0-3999/29999", "bytes */30000", "bytes",
      "bytes 4000-0/30000", "bytes -1-5/30000", "bytes 0-99999999999999999999/30000", "",
    ] {
      let run = try await Run(bundle) { request in
        var reply = LyingServer.Reply.honest(request, bundle.files)
        if reply.status == 206 { reply.headers["Content-Range"] = lie }
        return reply
      }
      try run.expectWhole()  // asked for without ranges, it is sent whole
    }
    // The head is right, but the bytes are others.
    let shifted = try await Run(bundle) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      if reply.status == 206 { reply.body = reply.body.dropFirst() + [0] }
      return reply
    }
    shifted.expectFailure(.download, "other contents than were sealed")
    let unasked = try await Run(bundle) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      if request.path == "/llm/config.json" {
        reply.status = 206
        reply.headers["Content-Range"] = "bytes 0-\(reply.body.count - 1)/\(reply.body.count)"
      }
      return reply
    }
    unasked.expectFailure(.download, "a part that was not asked for")
  }

  @Test func aFileThatChangesMeanwhileIsNotMixed() async throws {
    let bundle = try TestBundle()
    // The same contents under another tag: sent whole, as If-Range asks for.
    let renamed = try await Run(bundle) { request in
      .honest(request, bundle.files, tag: request.earlier < 3 ? "\"1\"" : "\"2\"")
    }
    try renamed.expectWhole()
    #expect(renamed.server.sent == bundle.size + 12000)
    // A server that does not look at If-Range.
    let deaf = try await Run(bundle) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      reply.headers["ETag"] = "\"\(request.earlier)\""
      if reply.status == 200, let range = request.range, let body = bundle.files[request.path] {
        let last = min(range.upperBound, body.count - 1)
        reply.status = 206
        reply.headers["Content-Range"] = "bytes \(range.lowerBound)-\(last)/\(body.count)"
        reply.body = Array(body[range.lowerBound...last])
      }
      return reply
    }
    try deaf.expectWhole()
    // Other contents.
    let changed = try await Run(bundle) { request in
      var files = bundle.files
      if request.earlier >= 3 { files["/big file #1.bin"]?[9] ^= 1 }
      return .honest(request, files, tag: request.earlier < 3 ? "\"1\"" : "\"2\"")
    }
    changed.expectFailure(.download, "other contents than were sealed")
  }

  @Test func aStallIsNotWaitedForForever() async throws {
    let bundle = try TestBundle()
    let once = try await Run(bundle, stall: .milliseconds(700)) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      if request.earlier == 1 || request.path == "/llm/config.json" && request.earlier == 0 {
        (reply.cut, reply.end) = (500, .hang)
      }
      return reply
    }
    try once.expectWhole()
    let always = try await Run(bundle, stall: .milliseconds(700)) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      if request.path == "/llm/config.json" { (reply.cut, reply.end) = (0, .hang) }
      return reply
    }
    always.expectFailure(.download, "stopped sending")
  }

  @Test func redirectionsAreFollowedButNotForever() async throws {
    let bundle = try TestBundle()
    let once = try await Run(bundle) { request in
      request.path.hasPrefix("/there")
        ? .honest(
          .init(
            path: String(request.path.dropFirst(6)), headers: request.headers,
            earlier: request.earlier, range: request.range), bundle.files)
        : .init(
          status: 302, headers: ["Location": "/a%20bundle/there" + Self.spelled(request.path)])
    }
    try once.expectWhole()
    for place in ["/a%20bundle/llm/config.json", "file:///etc/passwd", "ftp://127.0.0.1/x"] {
      let loop = try await Run(bundle) { request in
        request.path == "/llm/config.json"
          ? .init(status: 302, headers: ["Location": place]) : .honest(request, bundle.files)
      }
      // Foundation on Linux looks for a file of this machine on the server.
      loop.expectFailure(.download, "redirects too often, or to where it must not", "status 404")
      #expect(loop.server.requests("/llm/config.json") <= 7)
    }
  }

  private static func spelled(_ path: String) -> String {
    path.addingPercentEncoding(
      withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "/")))
      ?? path
  }

  @Test func aConnectionThatIsResetAtEveryThousandthByteGetsThere() async throws {
    let bundle = try TestBundle()
    let run = try await Run(bundle) { request in
      var reply = LyingServer.Reply.honest(request, bundle.files)
      if request.path != "/manifest.json", reply.body.count > 1000 {
        (reply.cut, reply.end) = (1000, .reset)
      }
      return reply
    }
    try run.expectWhole()
    #expect(run.server.sent < bundle.size * 2, "\(run.server.sent) of \(bundle.size)")
  }

  @Test func whatTheServerRefusesIsAskedForOnce() async throws {
    let bundle = try TestBundle()
    for status in [204, 401, 403, 404, 410, 451] {
      let run = try await Run(bundle) { request in
        request.path == "/llm/config.json"
          ? .init(status: status) : .honest(request, bundle.files)
      }
      run.expectFailure(.download, "config.json: cannot be had (status \(status))")
      #expect(run.server.requests("/llm/config.json") == 1)
    }
    for status in [408, 429, 500, 503] {
      let run = try await Run(bundle) { request in
        request.earlier < 2
          ? .init(status: status, headers: ["Retry-After": "3600"])
          : .honest(request, bundle.files)
      }
      try run.expectWhole()
    }
    let gone = try await Run(bundle, stopped: true) { .honest($0, bundle.files) }
    gone.expectFailure(.download, "the connection broke")
  }

  @Test func aManifestIsOneOrNothingHappens() async throws {
    let bundle = try TestBundle()
    for (text, kind, said) in [
      ("", MobileOError.Kind.download, "is no manifest"),
      ("{\"format\": \"other\"}", .bundle, "not"),
      ("[1, 2", .download, "is no manifest"), ("{}", .bundle, "not the manifest"),
    ] {
      let run = try await Run(bundle) { request in
        request.path == "/manifest.json"
          ? .init(body: Array(text.utf8)) : .honest(request, bundle.files)
      }
      run.expectFailure(kind, said)
      #expect(run.server.paths == ["/manifest.json"])
    }
    let other = try await Run(bundle, identity: String(repeating: "0", count: 64)) {
      .honest($0, bundle.files)
    }
    other.expectFailure(.download, "another than the manifest that was asked for")
    let right = try await Run(bundle, identity: bundle.identity.uppercased()) {
      .honest($0, bundle.files)
    }
    try right.expectWhole()
  }

  @Test func hostilePathsAreRefusedBeforeAnythingIsFetched() async throws {
    for path in [
      "../outside", "/etc/passwd", "a/../../b", "a//b", "./a", "a/.", "", "a\\b", "manifest.json",
      "Manifest.JSON", "empty/below", "a\u{0}b", "..", "empty",
    ] {
      let bundle = try TestBundle(extra: path)
      let run = try await Run(bundle) { .honest($0, bundle.files) }
      run.expectFailure(.bundle, "file path '", "has none of", "is ")
      #expect(run.server.paths == ["/manifest.json"], "\(path.debugDescription)")
    }
    let huge = try TestBundle(extra: "huge", size: .max)
    let run = try await Run(huge) { .honest($0, huge.files) }
    run.expectFailure(.space, "needs 9223372036.9 GB, ")
  }

  @Test func chanceLiesAreSurvived() async throws {
    let bundle = try TestBundle()
    var (whole, failed) = (0, 0)
    for seed in 0..<24 as Range<UInt64> {
      let chance = Chance(seed)
      let run = try await Run(bundle) { request in
        var reply = LyingServer.Reply.honest(request, bundle.files)
        if chance.next(100) < (seed % 4) * 25 {
          switch chance.next(9) {
          case 0: reply.cut = Int(chance.next(3000))
          case 1: (reply.cut, reply.end) = (Int(chance.next(3000)), .reset)
          case 2: reply = .init(status: 503)
          case 3: reply.headers["Content-Range"] = "bytes 7-9/30000"
          case 4: reply = .init(body: Array("<html>".utf8))
          case 5: reply.saysLength = false
          case 6: reply.headers["ETag"] = "\"\(chance.next(5))\""
          case 7: if !reply.body.isEmpty { reply.body[0] ^= 1 }
          default: reply = .honest(request, bundle.files, tag: "W/\"2\"")
          }
        }
        return reply
      }
      if run.error == nil {
        try run.expectWhole()
        whole += 1
      } else {
        run.expectFailure(.download, "")
        failed += 1
      }
    }
    #expect(whole >= 6)
    print("download: \(whole) of 24 from servers that lie by chance came through, \(failed) failed")
  }
}

/// Random numbers for several threads.
final class Chance: @unchecked Sendable {
  private let lock = NSLock()
  private var random: Philox

  init(_ seed: UInt64) { random = Philox(seed: seed) }
  func next(_ count: UInt64) -> UInt64 { lock.withLock { random.next() % count } }
}
