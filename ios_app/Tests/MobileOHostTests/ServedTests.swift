import Foundation
import MobileO
import MobileOHost
import Testing

/// The four pipelines through `mobileo-export serve`, against Python's over the same bundle.
@Suite(.serialized, .enabled(if: Found.everything, Found.nothing), Served())
struct ServedTests {
  private func model() async throws -> (MobileO, HostEngine) {
    let bundle = URL(fileURLWithPath: try #require(Found.bundle))
    let engine = try await HostEngine(
      #require(Served.address), bundle: bundle, keepsComponents: true)
    return (try await MobileO(bundle: bundle, engine: engine), engine)
  }

  private func photo(_ item: JSONValue, _ engine: HostEngine) async throws -> Picture {
    let path = try #require(Found.served) + "/" + #require(item["photo"]?.string)
    let bytes = try Files.read(path)
    return PNG.isReadable(bytes)
      ? try PNG.decode(bytes) : try await engine.decode(picture: bytes)
  }

  private func seed(_ item: JSONValue) throws -> UInt64 {
    try #require(UInt64(item["seed"]?.string ?? ""))
  }

  @Test(arguments: ["generate", "edit"]) func everyPictureIsPythons(_ task: String) async throws {
    let (model, engine) = try await model()
    let cases = try Found.cases(task)
    for item in cases {
      let text = try #require(item["text"]?.string)
      let result = item["result"]
      let (steps, guidance) = (result?["steps"]?.integer, result?["guidance"]?.double)
      let seed = try seed(item)
      let stream =
        task == "generate"
        ? model.generate(text, steps: steps, guidance: guidance, seed: seed)
        : model.edit(
          try await photo(item, engine), text, steps: steps, guidance: guidance, seed: seed)
      var drawn: DrawnPicture?
      for try await case .picture(let made) in stream { drawn = made }
      let name = Comment(rawValue: "\(text.prefix(40)), seed \(seed)")
      #expect(drawn?.prompt.ids == item["ids"]?.array?.compactMap(\.integer), name)
      #expect(drawn.map { SHA256Digest.of($0.picture.rgb) } == item["pixels"]?.string, name)
    }
    await engine.close()
    #expect(cases.count >= (task == "generate" ? 30 : 15))
    print("served: \(cases.count) \(task), pixels equal")
  }

  @Test(arguments: ["ask", "chat"]) func everyTokenIsPythons(_ task: String) async throws {
    let (model, engine) = try await model()
    let cases = try Found.cases(task)
    var tokens = 0
    for item in cases {
      let turns = (item["turns"]?.array ?? []).compactMap(\.string)
      let how = try Sampling(
        model.recipe, temperature: item["temperature"]?.double, topP: item["top_p"]?.double,
        maxNewTokens: item["most"]?.integer, seed: seed(item))
      let said =
        task == "ask"
        ? try await model.ask(photo(item, engine), turns[0], how)
        : try await model.chat(turns, how)
      let name = Comment(rawValue: "\(turns.last ?? ""), temperature \(how.temperature)")
      #expect(said.prompt.ids == item["ids"]?.array?.compactMap(\.integer), name)
      #expect(said.ids == item["result"]?["token_ids"]?.array?.compactMap(\.integer), name)
      #expect(said.text == item["result"]?["text"]?.string, name)
      #expect(said.ended.rawValue == item["result"]?["ended"]?.string, name)
      tokens += said.ids.count
    }
    await engine.close()
    // Of the talks, turns: three for each.
    #expect(cases.count >= 60)
    print("served: \(cases.count) \(task), \(tokens) tokens equal")
  }

  /// Each question over what was kept of the ones before it.
  @Test func everyDialogIsPythons() async throws {
    let (model, engine) = try await model()
    let cases = try Found.cases("dialog")
    var dialog: VisualDialog?
    for item in cases {
      let turns = (item["turns"]?.array ?? []).compactMap(\.string)
      let how = try Sampling(
        model.recipe, temperature: item["temperature"]?.double, topP: item["top_p"]?.double,
        maxNewTokens: item["most"]?.integer, seed: seed(item))
      if turns.count == 1 {
        await dialog?.close()
        dialog = VisualDialog(model, about: try await photo(item, engine))
      }
      let talk = try #require(dialog)
      let said = try await talk.ask(#require(turns.last), how)
      let name = Comment(rawValue: "\(turns.last ?? ""), temperature \(how.temperature)")
      #expect(said.prompt.ids == item["ids"]?.array?.compactMap(\.integer), name)
      #expect(said.ids == item["result"]?["token_ids"]?.array?.compactMap(\.integer), name)
      #expect(said.text == item["result"]?["text"]?.string, name)
      #expect(await talk.turns == turns + [said.text], name)
    }
    await dialog?.close()
    await engine.close()
    #expect(cases.count >= 12)
    print("served: \(cases.count) questions in dialogs, tokens equal")
  }
}
