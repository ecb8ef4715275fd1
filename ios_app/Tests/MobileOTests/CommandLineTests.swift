import Foundation
import MobileO
import Testing

/// The program as a user runs it: what it prints, where, and the code that it ends with.
@Suite struct CommandLineTests {
  private struct Ran {
    let code: Int32
    let output: String
    let errors: String
  }

  /// Beside the tests, where `swift build --build-tests` puts it.
  private static let program: String? = {
    let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
    let found = [folder, Goldens.root + "/.build/release", Goldens.root + "/.build/debug"].map {
      $0 + "/mobileo"
    }
    return found.first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  private func started(_ words: [String]) throws -> (Process, Pipe, Pipe) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Self.program))
    process.arguments = words
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    return (process, output, errors)
  }

  private func run(_ words: String...) throws -> Ran {
    let (process, output, errors) = try started(words)
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let said = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Ran(
      code: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: said, as: UTF8.self))
  }

  @Test func everyCommandHasHelp() throws {
    for command in [
      "generate", "edit", "ask", "chat", "bench", "verify", "replay", "tokens", "noise",
    ] {
      let help = try run(command, "--wrong", "--help")
      #expect(help.code == 0 && help.output.hasPrefix("Usage: mobileo \(command)"))
      #expect(try run("--help").output.contains("  \(command) "))
    }
    #expect(try run().code == 2)
  }

  @Test func whatMakesNoSenseEndsInOneLineAndCodeTwo() throws {
    let cases: [([String], String)] = [
      (["paint"], "no such command: paint"), (["--wrong"], "no such option: --wrong"),
      (["verify"], "missing argument BUNDLE"), (["verify", "a", "b"], "unexpected argument 'b'"),
      (["verify", "/nowhere"], "not a bundle"),
      (["verify", "a", "--jsn"], "no such option: --jsn"),
      (["verify", "a", "--json=1"], "takes no value"), (["replay"], "missing argument BUNDLE"),
      (["noise", "--seed"], "needs a value"), (["noise", "--seed", "-1"], "--seed -1: give one"),
      (["noise", "--seed", "18446744073709551616"], "give one from 0 to"),
      (["noise", "--count", "0"], "choose 1 to"), (["noise", "--count", "x"], "a whole number"),
      (["noise", "7"], "unexpected argument '7'"),
      (["noise", "--seed", "1", "--seed=2"], "given twice"),
      (["noise", "--json", "-o", "x"], "leave out --output"),
      (["noise", "-o", "/nowhere/x"], "cannot be written"), (["tokens"], "missing argument BUNDLE"),
      (["tokens", "/nowhere", "x"], "tokenizer_config.json"),
      (["tokens", TokenizerTests.miniature], "missing argument TEXT"),
      (["tokens", TokenizerTests.miniature, "a", "b"], "quote it"),
      (["tokens", TokenizerTests.miniature, "--decode", "x"], "'x' is no token id"),
      (["tokens", TokenizerTests.miniature, "--decode"], "missing argument ID"),
    ]
    for (words, said) in cases {
      let (process, _, errors) = try started(words)
      let data = errors.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      let text = String(decoding: data, as: UTF8.self)
      #expect(process.terminationStatus == 2, "\(words): \(text)")
      #expect(text.contains(said) && text.hasPrefix("error: "), "\(words): \(text)")
      #expect(text.filter { $0 == "\n" }.count == 1, "\(words): \(text)")
    }
  }

  @Test func tokensGoBothWays() throws {
    let ids = try run("tokens", TokenizerTests.miniature, "a red circle")
    #expect(ids.code == 0)
    let words = ids.output.split(whereSeparator: \.isWhitespace).map(String.init)
    let (process, output, _) = try started(
      ["tokens", TokenizerTests.miniature, "--decode"] + words)
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(String(decoding: text, as: UTF8.self) == "a red circle\n")
    let json = try run("tokens", "--json", TokenizerTests.miniature, "--", "--json")
    let document = try JSONReader.document(Array(json.output.utf8))
    #expect(document["text"] == "--json")
    #expect(document["pieces"]?.array?.compactMap(\.string).joined() == "--json")
  }

  @Test func noiseIsThatOfTheLibrary() throws {
    let printed = try run("noise", "--seed=9223372036854775808", "--count", "5", "--json")
    let document = try JSONReader.document(Array(printed.output.utf8))
    #expect(document["values"]?.floats == Noise.normal(seed: 1 << 63, count: 5))
    let scratch = try Scratch()
    let file = scratch.path + "/x.bin"
    #expect(try run("noise", "--count", "3", "-o", file).code == 0)
    let bytes = try Files.read(file)
    let first = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    #expect(bytes.count == 12 && Float(bitPattern: first) == Noise.normal(seed: 0, count: 1)[0])
    #expect(try run("noise", "--uniform", "--count", "1").output.hasPrefix("0."))
  }

  @Test func anInterruptEndsIt() throws {
    let (process, output, errors) = try started(["noise", "--count", "10000000"])
    _ = output.fileHandleForReading.availableData
    process.interrupt()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 130)
    let said = errors.fileHandleForReading.readDataToEndOfFile()
    #expect(String(decoding: said, as: UTF8.self) == "error: interrupted\n")
  }

  @Test(.enabled(if: Goldens.bundle != nil, Goldens.noBundle)) func bundlesAreJudged() throws {
    let bundle = try #require(Goldens.bundle)
    #expect(try run("verify", bundle).output.contains("all as sealed"))
    let replay = try run("verify", bundle, "--replay", "--json")
    let document = try JSONReader.document(Array(replay.output.utf8))
    #expect(replay.code == 0 && document["replay"]?["ok"] == true)
    #expect(document["problems"] == [])
    #expect(try run("replay", bundle).output.contains("are as recorded"))
    let scratch = try Scratch()
    try FileManager.default.copyItem(atPath: bundle, toPath: scratch.path + "/b")
    try Files.write([1], to: scratch.path + "/b/extra\u{1B}.txt")
    let broken = try run("verify", scratch.path + "/b")
    #expect(broken.code == 1 && broken.output.contains("extra      extra\\x1b.txt"))
    #expect(broken.errors.contains("not as sealed; delete extra\\x1b.txt, or move"))
    try FileManager.default.removeItem(atPath: scratch.path + "/b/extra\u{1B}.txt")
    try Files.write([1], to: scratch.path + "/b/.DS_Store")
    let aside = try run("verify", scratch.path + "/b")
    #expect(
      aside.code == 0 && aside.output.contains("left aside, no part of the bundle: .DS_Store"))
  }
}

/// The first lines of ios_app/README.md, compiled; nothing here runs them.
func readme(url: URL, engine: any Engine) async throws -> String {
  let model = try await MobileO(bundle: url, engine: engine)
  for try await event in model.generate("a red circle", seed: 7) {
    if case .step(let step, let steps, _) = event { print("\(step) of \(steps)") }
    if case .picture(let drawn) = event {
      let texts = drawn.texts(prompt: "a red circle", bundle: model.manifest)
      try PNG.write(drawn.picture, to: "out.png", texts: texts)
    }
  }
  let answer = try await model.ask(PNG.read("out.png"), "what color is it?").text
  return answer
}
