import Foundation
import MobileO
import MobileOHost
import Testing

/// The commands that use a model, as a user runs them.
@Suite(.serialized, .enabled(if: Found.everything, Found.nothing), Served())
struct CommandTests {
  private func result(_ item: JSONValue) -> [(key: String, value: JSONValue)] {
    item["result"]?.object?.members ?? []
  }

  @Test(arguments: ["generate", "edit"]) func drawingSaysWhatPythonSays(_ task: String) throws {
    let item = try #require(Found.cases(task).first { $0["result"]?["steps"] == 5 })
    let scratch = try Scratch()
    let file = scratch.path + "/out.png"
    var words = [task, try #require(Found.bundle)]
    words += item["photo"]?.string.map { [(Found.served ?? "") + "/" + $0] } ?? []
    words += [item["text"]?.string ?? "", "--steps", "5", "--guidance=1.5", "-o", file]
    words += ["--seed", item["seed"]?.string ?? ""]
    let printed = try Program.run(words + ["--json"])
    #expect(printed.code == 0 && printed.errors.isEmpty)
    let found = try JSONReader.document(Array(printed.output.utf8))
    for (key, value) in result(item) { #expect(found[key]?.text == value.text, "\(key)") }
    #expect(found["output"] == .string(file))
    #expect(found["runtimes"]?["dit"]?.string != nil && found["runtimes"]?["llm"]?.string != nil)
    #expect(found.object?.members.count == result(item).count + 3)
    #expect(try SHA256Digest.of(PNG.read(file).rgb) == item["pixels"]?.string)
    let texts = try PNG.texts(Files.read(file))
    #expect(texts["runtimes"] == found["runtimes"]?.line)
    for (key, text) in item["texts"]?.object?.members ?? [] where key != "Software" {
      #expect(texts[key] == text.string)
    }
    let shown = try Program.run(words)
    let line = (item["line"]?.string ?? "").replacingOccurrences(of: "out.png", with: file)
    #expect(shown.output.hasPrefix(line.replacingOccurrences(of: "in 0.0 s", with: "in ")))
    let stages = ["llm: reading", "mcp: conditioning", "dit: drawing", "vae_decoder: decoding"]
    let said = shown.errors.split(separator: "\n").map(String.init)
    #expect(said == (task == "edit" ? ["vision_encoder: looking"] : []) + stages)
    #expect(try Program.run(words + ["--quiet"]).errors.isEmpty)
  }

  @Test func askingSaysWhatPythonSays() throws {
    let item = try #require(Found.cases("ask").first { $0["temperature"]?.double == 1.3 })
    let photo = (Found.served ?? "") + "/" + (item["photo"]?.string ?? "")
    let words = [
      "ask", try #require(Found.bundle), photo, item["turns"]?.array?.first?.string ?? "",
      "--temperature", "1.3", "--top-p", "0.9", "--max-new-tokens", "24", "--seed",
      item["seed"]?.string ?? "",
    ]
    let printed = try Program.run(words + ["--json"])
    #expect(printed.code == 0 && printed.errors.isEmpty)
    let found = try JSONReader.document(Array(printed.output.utf8))
    for (key, value) in result(item) { #expect(found[key] == value, "\(key)") }
    #expect(found["runtimes"]?["vision_encoder"] == "mil" && found["runtimes"]?["llm"] == "mlx")
    let shown = try Program.run(words + ["-q"])
    #expect(shown.output == (item["result"]?["text"]?.string ?? "") + "\n")
    let cut = try Program.run(["ask", words[1], photo, words[3], "--max-new-tokens", "1", "-q"])
    #expect(cut.errors == "warning: stopped after 1 tokens; see --max-new-tokens\n")
    let much = String(repeating: "z", count: 9000)
    let long = try Program.run(["ask", words[1], photo, much, "-q"])
    #expect(long.errors.hasPrefix("warning: the question is too long for this model: "))
  }

  @Test func aConversationGoesOnLineByLine() throws {
    let cases = try Found.cases("chat").filter { $0["temperature"]?.double == 0 }
    let last = try #require(cases.firstIndex { $0["turns"]?.array?.count == 5 })
    let turns = cases[last]["turns"]?.array?.compactMap(\.string) ?? []
    let typed = "  \(turns[0])\r\n\(turns[2])\n\(turns[4])\n/reset\n\(turns[0])\n/exit\nmore\n"
    let printed = try Program.run(["chat", #require(Found.bundle), "--json"], typing: typed)
    #expect(printed.code == 0 && printed.errors.isEmpty)
    let lines = printed.output.split(separator: "\n").map { Array($0.utf8) }
    let said = try lines.map { try JSONReader.document($0)["text"]?.string }
    let answer = cases[last]["result"]?["text"]?.string
    #expect(said == [turns[1], turns[3], answer, turns[1]])
    let wrong = try Program.run(["chat", #require(Found.bundle)], typing: "", and: [255])
    #expect(wrong.code == 2 && wrong.errors.contains("a message is no UTF-8"))
  }

  @Test func benchMeasuresEveryStage() throws {
    let scratch = try Scratch()
    let file = scratch.path + "/bench.json"
    let words = ["bench", try #require(Found.bundle), "--runs", "2", "--warmups", "0", "-q"]
    let few = words + ["--steps", "1", "--tokens", "3"]
    let printed = try Program.run(few + ["--json", "-o", file])
    #expect(printed.code == 0)
    #expect(
      printed.errors
        == "warning: the components ran on mobileo-export serve, with HTTP on the way\n")
    let report = try JSONReader.document(Array(printed.output.utf8))
    #expect(try Files.json(file) == report)
    #expect(report["format"] == "mobileo-bench" && report["settings"]?["steps"] == 1)
    #expect(report["settings"]?["prompt"]?.string == PipelineBenchmark.caption)
    #expect(report["settings"]?["runtimes"]?["dit"] == "mil")
    #expect(try Found.problem(report, "results", keep: "bench") == nil)
    let measured = report["measurements"]?.array ?? []
    let names = measured.compactMap { $0["name"]?.string }
    for name in ["cold_dit", "vision_encoder", "time_to_first_token", "dit_step", "image"] {
      #expect(names.contains(name))
    }
    #expect(measured.last?["values"]?.array?.count == 2 && measured.last?["warmups"] == 1)
    let shown = try Program.run(few)
    #expect(shown.output.hasPrefix("measured") && shown.output.contains("\nimage (s) "))
    let wrong = try Program.run(words + ["--tokens", "0"])
    #expect(wrong.code == 2 && wrong.errors.contains("choose at least 1 run and 1 token"))
    let elsewhere = try Program.run(words + ["-o", "bench.txt"])
    #expect(elsewhere.code == 2 && elsewhere.errors.contains("name a .json file"))
  }

  @Test func replayRunsTheComponents() throws {
    let scratch = try Scratch()
    let file = scratch.path + "/report.json"
    let bundle = try #require(Found.bundle)
    let printed = try Program.run(["replay", bundle, "--json", "-o", file])
    #expect(printed.code == 0 && printed.errors.isEmpty)
    let report = try JSONReader.document(Array(printed.output.utf8))
    #expect(try Files.json(file) == report)
    #expect(report["format"] == "mobileo-selftest" && report["passed"] == true)
    #expect(try Found.problem(report, "selftest", keep: "replay") == nil)
    let damaged = report.replacing("components") { _ in [] }
    #expect(try Found.problem(damaged, "selftest")?.contains("components") == true)
    #expect(report["components"]?.array?.count == 5 && report["first_divergence"] == .null)
    #expect(report["bundle"]?["manifest_sha256"]?.string == (try Manifest(folder: bundle)).identity)
    let shown = try Program.run(["replay", bundle])
    #expect(shown.code == 0 && shown.errors.hasPrefix("dit: replaying\nllm: replaying\n"))
    #expect(shown.output.contains("dit on mil: 12 calls, within the host gates; nearest to its"))
    #expect(shown.output.contains("llm on mlx: "))
    #expect(try Program.run(["replay", bundle, "-q"]).errors.isEmpty)
    let without = try Program.run(["replay", bundle], environment: [:])
    #expect(without.code == 0 && without.output.contains("not asserted: what dit, "))
    for (words, environment, said) in [
      (["--device"], nil, "--device runs components on Core ML and MLX"),
      (["--core-ai", "all"], nil, "--core-ai goes with --device"),
      (["-o", "report.txt"], nil, "name a .json file"),
      (["-o", bundle + "/report.json"], nil, "lies inside the bundle"),
      (["-o", file], [:], "--output goes with --host"),
      (["--token", "x"], [:], "--token goes with --host"),
      (["--host", "127.0.0.1:1"], nil, "nothing answers there"),
      (["--token", "wrong"], nil, "token"),
    ] as [([String], [String: String]?, String)] {
      let ran = try Program.run(["replay", bundle] + words + ["-q"], environment: environment)
      #expect(ran.code == 2 && ran.errors.contains(said), "\(words): \(ran.errors)")
      #expect(ran.errors.filter { $0 == "\n" }.count == 1, "\(words): \(ran.errors)")
    }
  }

  @Test func anInterruptClosesWhatIsOpen() async throws {
    let scratch = try Scratch()
    let words = ["generate", try #require(Found.bundle), "a circle", "--steps", "500", "-o"]
    let running = try Program.start(words + [scratch.path + "/out.png"])
    let errors = running.errors.fileHandleForReading
    var said = ""
    while !said.contains("dit: drawing") {
      said += String(decoding: errors.availableData, as: UTF8.self)
    }
    running.process.interrupt()
    said += String(decoding: errors.readDataToEndOfFile(), as: UTF8.self)
    running.process.waitUntilExit()
    #expect(running.process.terminationStatus == 130)
    #expect(said.hasSuffix("error: interrupted\n"))
    #expect(try Files.everything(below: scratch.path).isEmpty)
    let waiting = try Program.start(["chat", #require(Found.bundle)])
    try await Task.sleep(for: .seconds(1))
    waiting.process.terminate()
    waiting.process.waitUntilExit()
    #expect(waiting.process.terminationStatus == 143)
  }

  @Test func whatDoesNotApplyIsRefused() throws {
    let bundle = try #require(Found.bundle)
    let scratch = try Scratch()
    try Files.write([1, 2, 3], to: scratch.path + "/x.jpg")
    let photo = scratch.path + "/x.jpg"
    let out = scratch.path + "/o.png"
    let address = try #require(Served.address)
    let there = "\(address.host):\(address.port)"
    let cases: [([String], String)] = [
      (["generate"], "missing argument BUNDLE"), (["generate", bundle], "missing argument PROMPT"),
      (["edit", bundle, photo], "missing argument INSTRUCTION"),
      (["ask", bundle], "missing argument PHOTO"), (["chat"], "missing argument BUNDLE"),
      (["generate", bundle, "x"], "missing option --output"),
      (["generate", bundle, "x", "y", "-o", out], "unexpected argument 'y'"),
      (["generate", bundle, "x", "-o", "out.jpg"], "name a .png file"),
      (["generate", bundle, "x", "-o", scratch.path], "name a .png file"),
      (["generate", bundle, "x", "-o", "/nowhere/o.png"], "no such folder; create it first"),
      (["generate", bundle, "x", "-o", photo + "/o.png"], "is a file, no other fits below it"),
      (["generate", bundle, "x", "-o", bundle + "/o.png"], "lies inside the bundle"),
      (["generate", bundle, "x", "-o", out, "--steps", "0"], "0 steps: choose 1 to 500"),
      (["generate", bundle, "x", "-o", out, "--steps", "many"], "--steps many: give a whole"),
      (["generate", bundle, "x", "-o", out, "--guidance", "0.5"], "guidance 0.5: choose 1"),
      (["generate", bundle, "x", "-o", out, "--seed", "-1"], "--seed -1: give one from 0 to"),
      (["generate", bundle, "x", "-o", out, "--runtime", "mil"], "--runtime is chosen where"),
      (["generate", bundle, "x", "-o", out, "--top-p", "1"], "no such option: --top-p"),
      (["edit", bundle, photo, "x", "-o", out], "x.jpg: "),
      (["edit", bundle, "/nowhere.jpg", "x", "-o", out], "/nowhere.jpg: no such file"),
      (["generate", bundle, " ", "-o", out], "the caption is empty"),
      (["generate", scratch.path, "x", "-o", out], "not a bundle"),
      (["ask", bundle, photo, "x", "--top-p", "0.5"], "--top-p goes with --temperature above 0"),
      (["ask", bundle, photo, "x", "--seed", "5"], "--seed goes with --temperature above 0"),
      (["ask", bundle, photo, "x", "--temperature", "-1"], "temperature -1.0: choose 0"),
      (["chat", bundle, "--max-new-tokens", "0"], "0 new tokens: choose at least 1"),
      (["chat", bundle, "--offline"], "--offline goes with a hub id"),
      (["chat", bundle, "--host", "10.0.0.1:80"], "forward its port"),
      (["chat", bundle, "--token", "wrong"], "token"),
      (["chat", bundle, "--host", "127.0.0.1:1"], "nothing answers there"),
    ]
    for (words, said) in cases {
      let ran = try Program.run(words)
      #expect(ran.code == 2 && ran.output.isEmpty, "\(words): \(ran.output)")
      #expect(ran.errors.contains(said), "\(words): \(ran.errors)")
      #expect(ran.errors.hasPrefix("error: "), "\(words): \(ran.errors)")
      #expect(ran.errors.filter { $0 == "\n" }.count == 1, "\(words): \(ran.errors)")
    }
    #expect(try Files.everything(below: scratch.path) == ["x.jpg"])
    let alone = try Program.run(["chat", bundle], environment: [:])
    #expect(alone.code == 2 && alone.errors.contains("start mobileo-export serve"))
    let whole = try Program.run(
      ["chat", bundle, "--host", "http://\(there)/#\(address.token)"], environment: [:])
    #expect(whole.code == 0 && whole.errors.isEmpty && whole.output.isEmpty)
  }
}
