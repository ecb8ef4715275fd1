import Foundation
import MobileO
import Testing

/// The four pipelines over a toy, against Python's over the same toy.
@Suite(.enabled(if: Goldens.bundle != nil && Goldens.toy != nil, Goldens.noBundle))
struct PipelineTests {
  @Test func everyPictureAndEveryTokenIsPythons() async throws {
    let folder = try #require(Goldens.bundle)
    let manifest = try Manifest(folder: folder)
    let model = try await MobileO(
      bundle: URL(fileURLWithPath: folder), engine: ToyEngine(manifest: manifest))
    var counts: [String: Int] = [:]
    var dialog: VisualDialog?
    for item in try Files.json(#require(Goldens.toy)).array ?? [] {
      let task = item["task"]?.string ?? ""
      counts[task, default: 0] += 1
      if task == "dialog" {
        dialog = try await dialogue(dialog, model, item)
      } else if item["pixels"] != nil {
        try await drawing(model, item, task)
      } else {
        try await answer(model, item, task)
      }
    }
    #expect(counts.keys.sorted() == ["ask", "chat", "dialog", "edit", "generate"])
    let shown = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
    print("toy: \(shown.joined(separator: ", ")), equal to the bit")
  }

  private func drawing(_ model: MobileO, _ item: JSONValue, _ task: String) async throws {
    let text = item["text"]?.string ?? ""
    let seed = try #require(UInt64(item["seed"]?.string ?? ""))
    let (steps, guidance) = (item["steps"]?.integer, item["guidance"]?.double)
    let stream =
      task == "generate"
      ? model.generate(text, steps: steps, guidance: guidance, seed: seed)
      : model.edit(try Self.photo(), text, steps: steps, guidance: guidance, seed: seed)
    var drawn = 0
    for try await case .picture(let made) in stream {
      drawn += 1
      let name = "\(task) \(text.prefix(20)), \(steps ?? 0) steps, guidance \(guidance ?? 0)"
      #expect(made.prompt.ids == item["ids"]?.integers, "\(name)")
      #expect(made.prompt.cut == item["cut"]?.integer, "\(name)")
      let image = try made.image.floats("image").flatMap { value in
        (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
      }
      #expect(SHA256Digest.of(image) == item["image"]?.string, "\(name)")
      #expect(SHA256Digest.of(made.picture.rgb) == item["pixels"]?.string, "\(name)")
    }
    #expect(drawn == 1)
  }

  /// One turn of a dialog, over what was kept of the one before, and read from the beginning.
  private func dialogue(
    _ before: VisualDialog?, _ model: MobileO, _ item: JSONValue
  ) async throws -> VisualDialog {
    let (turns, how) = try (Self.turns(item), Self.sampling(item, model))
    let photo = try Self.photo()
    let new = VisualDialog(model, about: photo)
    let dialog = turns.count == 1 ? new : try #require(before)
    #expect(await dialog.turns == turns.dropLast())
    let said = try await dialog.ask(#require(turns.last), how)
    expect(said, item)
    if turns.count > 1 {
      #expect(await dialog.isOpen)
      let whole = VisualDialog(model, about: photo, turns: Array(turns.dropLast()))
      #expect(try await whole.ask(#require(turns.last), how) == said)
    }
    return dialog
  }

  private static func turns(_ item: JSONValue) -> [String] {
    (item["turns"]?.array ?? []).compactMap(\.string)
  }

  private static func sampling(_ item: JSONValue, _ model: MobileO) throws -> Sampling {
    try Sampling(
      model.recipe, temperature: item["temperature"]?.double, topP: item["top_p"]?.double,
      maxNewTokens: item["most"]?.integer, seed: #require(UInt64(item["seed"]?.string ?? "")))
  }

  private func expect(_ said: Answer, _ item: JSONValue) {
    #expect(said.ids == item["tokens"]?.integers)
    #expect(Exact(said.text) == Exact(item["answer"]?.string ?? ""))
    #expect(said.ended.rawValue == item["ended"]?.string)
    #expect(said.prompt.cut == item["cut"]?.integer)
    #expect(said.prompt.ids == item["ids"]?.integers)
  }

  private func answer(_ model: MobileO, _ item: JSONValue, _ task: String) async throws {
    let (turns, how) = try (Self.turns(item), Self.sampling(item, model))
    let stream =
      task == "ask"
      ? model.answering(try Self.photo(), turns[0], how) : model.chatting(turns, how)
    var text = ""
    for try await event in stream {
      switch event {
      case .stage: break
      case .text(let piece): text += piece
      case .answer(let said):
        #expect(Exact(text) == Exact(said.text))
        expect(said, item)
      }
    }
  }

  @Test func aConversationGoesOn() async throws {
    let folder = try #require(Goldens.bundle)
    let manifest = try Manifest(folder: folder)
    let model = try await MobileO(
      bundle: URL(fileURLWithPath: folder), engine: ToyEngine(manifest: manifest))
    var chat = Chat(model, try Sampling(model.recipe, maxNewTokens: 3))
    let first = try await chat.send("hello")
    #expect(chat.turns == ["hello", first.text])
    await #expect(throws: MobileOError.self) { try await chat.send(" ") }
    #expect(chat.turns.count == 2)
  }

  private static func photo() throws -> Picture {
    let (height, width) = (37, 53)
    let rgb = (0..<height * width * 3).map { UInt8($0 * $0 % 251) }
    return try Picture(width: width, height: height, rgb: rgb)
  }
}
