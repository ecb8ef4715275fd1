import Foundation
import MobileO
import MobileOHost
import Testing

/// The engine over a server that does what it should not.
@Suite struct EngineTests {
  private static let token = "t0ken"

  private func address(_ server: FakeServer) throws -> HostAddress {
    try HostAddress("127.0.0.1:\(server.port)", token: Self.token)
  }

  /// An engine whose requests, after the first, are answered by `reply`.
  private func engine(
    patience: Duration = .seconds(20),
    _ reply: @escaping @Sendable (FakeServer.Request) -> FakeServer.Reply
  ) async throws -> (HostEngine, FakeServer, Scratch) {
    let scratch = try Scratch()
    let manifest = try Found.manifest(in: scratch)
    let server = try FakeServer { request in
      if request.headers["authorization"] != "Bearer \(Self.token)" {
        return .error(401, "no such token; give the one that was printed")
      }
      return request.line == "GET /manifest" ? .answer(200, manifest) : reply(request)
    }
    let engine = try await HostEngine(address(server), bundle: scratch.url, patience: patience)
    return (engine, server, scratch)
  }

  private static func logits(_ values: [Float]) -> FakeServer.Reply {
    let array = Tensor(shape: [1, values.count], .float32(values))
    return .answer(200, TensorFile.encode(["logits": array]))
  }

  @Test func addresses() throws {
    for (text, token) in [
      ("127.0.0.1:8017", "x"), ("http://localhost:1/", "x"), ("http://127.0.0.1:65535/#abc", nil),
    ] {
      #expect(try HostAddress(text, token: token).token == token ?? "abc")
    }
    #expect(try HostAddress("127.0.0.1:1#a", token: "b").token == "b")
    for (text, said) in [
      ("", "no host and port"), ("127.0.0.1", "no host and port"), ("localhost:0", "no host"),
      ("127.0.0.1:70000", "no host"), ("https://127.0.0.1:1", "more than a host"),
      ("http://u:p@127.0.0.1:1", "more than a host"), ("127.0.0.1:1/x?y", "more than a host"),
      ("192.168.1.2:80", "forward its port"), ("evil.127.0.0.1:80", "forward its port"),
    ] {
      let error = #expect(throws: MobileOError.self) { try HostAddress(text, token: "x") }
      #expect(error?.message.contains(said) == true, "\(text): \(error?.message ?? "")")
    }
    for token in ["", "a b", "é", "a\r\nX: y"] {
      #expect(throws: MobileOError.self) { try HostAddress("127.0.0.1:1", token: token) }
    }
    #expect(throws: MobileOError.self) { try HostAddress("127.0.0.1:1") }
  }

  @Test func arraysTravel() throws {
    let arrays = [
      "a": Tensor(shape: [2, 1], .float32([1.5, -.infinity])), "é": Tensor(shape: [0], .int32([])),
      "b": Tensor(shape: [3], .uint8([1, 2, 255])), "c": Tensor(shape: [], .int32([-7])),
    ]
    let document = TensorFile.encode(arrays)
    #expect(try TensorFile.decode(document) == arrays)
  }

  @Test func whatRunsIsWhatWasAsked() async throws {
    let inputs = ["latent": Tensor(shape: [2], .float32([1, 2]))]
    let (engine, server, _) = try await engine { request in
      guard (try? TensorFile.decode(request.body)) == inputs,
        request.headers["content-type"] == "application/x-safetensors"
      else { return .error(400, "other inputs") }
      return .answer(200, TensorFile.encode(["image": Tensor(shape: [1], .float32([3]))]))
    }
    let session = await engine.session("vae_decoder")
    #expect(try await session.run(inputs)["image"] == Tensor(shape: [1], .float32([3])))
    await session.close()
    await session.close()
    #expect(
      server.requests == [
        "GET /manifest", "POST /components/vae_decoder/run", "DELETE /components/vae_decoder",
      ])
  }

  @Test func whatExecutesAComponentIsAskedOnce() async throws {
    let (engine, server, _) = try await engine { _ in
      .text(
        200,
        #"{"dit": {"runtime": "mil", "exact": true}, "llm": {"runtime": "mlx", "exact": false}}"#)
    }
    #expect(try await engine.runtime(of: "dit") == ComponentRuntime("mil", .host))
    #expect(try await engine.runtime(of: "llm") == ComponentRuntime("mlx", .device))
    #expect(server.requests == ["GET /manifest", "GET /components"])
    let unknown = await failure { try await engine.runtime(of: "mcp") }
    #expect(unknown?.message.contains("does not say what executes mcp") == true)
    let (silent, _, _) = try await self.engine { _ in .text(200, "[]") }
    let error = await failure { try await silent.runtime(of: "dit") }
    #expect(error?.kind == .session)
  }

  @Test func theLanguageModelGoesOnInOneSession() async throws {
    let (engine, server, _) = try await engine { request in
      switch request.line {
      case "POST /llm/sessions":
        if request.headers["content-length"] != "0" { return .error(411, "no length") }
        return .text(201, #"{"session": "s-1", "positions": 9}"#)
      case "DELETE /llm/sessions/s-1", "DELETE /components/llm": return .text(204, "")
      default:
        let ids = try? TensorFile.decode(request.body)["input_ids"]
        return Self.logits([Float(ids?.count ?? -1), Float(request.body.count)])
      }
    }
    let session = await engine.languageModel()
    let prompt = Tensor(shape: [1, 3], .int32([1, 2, 3]))
    #expect(try await session.prefill(prompt, imageFeatures: nil).floats("logits")[0] == 3)
    #expect(try await session.step(7).floats("logits")[0] == 1)
    await session.close()
    #expect(
      server.requests.dropFirst() == [
        "POST /llm/sessions", "POST /llm/sessions/s-1/prefill", "POST /llm/sessions/s-1/step",
        "DELETE /llm/sessions/s-1", "DELETE /components/llm",
      ])
    await #expect(throws: CancellationError.self) { try await session.step(1) }
  }

  @Test func anotherBundleAWrongTokenAndNobodyAreNamed() async throws {
    let scratch = try Scratch()
    let manifest = try Found.manifest(in: scratch)
    let other = try FakeServer { _ in .answer(200, manifest + Data(" ".utf8)) }
    let error = await failure { try await HostEngine(address(other), bundle: scratch.url) }
    #expect(error?.kind == .bundle && error?.message.contains("serves another bundle") == true)
    let strict = try FakeServer { _ in .error(401, "not the token; copy it again") }
    let wrong = await failure { try await HostEngine(address(strict), bundle: scratch.url) }
    #expect(wrong == MobileOError(.refused, "not the token; copy it again"))
    let stranger = try FakeServer { _ in .text(404, "<html>no such page</html>") }
    let page = await failure { try await HostEngine(address(stranger), bundle: scratch.url) }
    #expect(page?.kind == .session && page?.message.contains("another program") == true)
    stranger.stop()
    let gone = await failure { try await HostEngine(address(stranger), bundle: scratch.url) }
    #expect(gone?.kind == .unreachable && gone?.message.contains("nothing answers") == true)
    let nowhere = await failure {
      try await HostEngine(address(other), bundle: URL(fileURLWithPath: "/nowhere"))
    }
    #expect(nowhere?.kind == .bundle)
  }

  @Test(arguments: [
    (FakeServer.Reply.error(400, "latent is int32; give float32"), MobileOError.Kind.session),
    (.error(429, "2 sessions are open; close one"), .refused),
    (.error(503, "closing; start it again"), .unreachable),
    (.error(500, "the evaluator failed; see its log"), .session),
    (.text(500, "oops"), .session), (.text(200, "no arrays"), .session),
    (.text(204, ""), .session), (.cut(Data(count: 100)), .unreachable), (.hangUp, .unreachable),
    (.redirect("http://127.0.0.1:1/"), .session),
  ])
  func whatTheServerSaysIsSaid(_ reply: FakeServer.Reply, _ kind: MobileOError.Kind) async throws {
    let (engine, server, _) = try await engine { request in
      request.line.hasPrefix("DELETE") ? .text(204, "") : reply
    }
    let session = await engine.session("dit")
    let error = await failure { try await session.run([:]) }
    #expect(error?.kind == kind, "\(error?.message ?? "")")
    if case .answer(let status, let body) = reply, status >= 400, body.first == UInt8(ascii: "{") {
      let message = try JSONReader.document([UInt8](body))["error"]?["message"]?.string
      #expect(error?.message == message)
    }
    await session.close()
    #expect(server.requests.last == "DELETE /components/dit")
  }

  @Test func sessionsWithoutANameAreRefused() async throws {
    for answer in ["{}", #"{"session": ""}"#, #"{"session": "../x"}"#, #"{"session": "a b"}"#] {
      let (engine, _, _) = try await engine { _ in .text(201, answer) }
      let error = await failure { try await engine.languageModel().step(1) }
      #expect(error?.message.contains("without a name") == true)
    }
  }

  @Test func silenceEnds() async throws {
    let (engine, _, _) = try await engine(patience: .seconds(1)) { _ in .silence }
    let start = ContinuousClock.now
    let error = await failure { try await engine.session("dit").run([:]) }
    #expect(error?.kind == .unreachable && error?.message.contains("within 1 sec") == true)
    // Not the ten minutes of other calls; other tests take their share of the processor meanwhile.
    #expect(start.duration(to: .now) < .seconds(120))
  }

  @Test func cancellingClosesTheSession() async throws {
    let (engine, server, _) = try await engine { request in
      switch request.line {
      case "POST /llm/sessions":
        Thread.sleep(forTimeInterval: 0.3)
        return .text(201, #"{"session": "s1"}"#)
      case "POST /llm/sessions/s1/prefill": return .silence
      default: return .text(204, "")
      }
    }
    for wait in [0.1, 0.6] {  // while it is opened, and while it reads
      let task = Task {
        let session = await engine.languageModel()
        defer { Task { await session.close() } }
        return try await session.prefill(Tensor(shape: [1, 1], .int32([1])), imageFeatures: nil)
      }
      try await Task.sleep(for: .seconds(wait))
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      await engine.close()
      #expect(server.requests.last == "DELETE /components/llm")
      #expect(server.requests.suffix(2).first == "DELETE /llm/sessions/s1")
    }
  }

  @Test func picturesAreDecodedThere() async throws {
    let pixels = Tensor(shape: [1, 2, 3], .uint8([1, 2, 3, 4, 5, 6]))
    let (engine, _, _) = try await engine { request in
      switch request.body.first {
      case 1: .answer(200, TensorFile.encode(["pixels": pixels]))
      case 2: .error(400, "is no picture that can be read; save it as PNG")
      default: .answer(200, TensorFile.encode(["pixels": Tensor(shape: [1], .int32([1]))]))
      }
    }
    #expect(try await engine.decode(picture: [1]).pixels == pixels)
    let error = await failure { try await engine.decode(picture: [2]) }
    #expect(error == MobileOError(.usage, "is no picture that can be read; save it as PNG"))
    #expect(await failure { try await engine.decode(picture: [3]) }?.kind == .session)
  }
}
