import Foundation
import MobileO

/// `mobileo tokens`: what a text becomes.
enum Tokens: Command {
  static let name = "tokens"
  static let summary = "Token ids of a text, or the text of token ids."
  static let usage = "BUNDLE TEXT"
  static let details = """
    BUNDLE may also be a folder of tokenizer files. Nothing in TEXT is taken for a special token. With
    --decode the words behind BUNDLE are ids.
    """
  static let options = [
    Arguments.Option("--decode", help: "Print the text of ids, special tokens left out."),
    Arguments.Option("--json", help: "Print the result as JSON."),
  ]

  static func run(_ arguments: Arguments) async throws {
    guard let source = arguments.positional.first else {
      throw MobileOError(.usage, "missing argument BUNDLE; see mobileo tokens --help")
    }
    let words = arguments.positional.dropFirst()
    let tokenizer = try Tokenizer(folder: folder(source))
    if arguments.has("--decode") {
      let ids = try words.map { word in
        guard let id = Int(word), id >= 0 else {
          throw MobileOError(.usage, "'\(word)' is no token id; give whole numbers")
        }
        return id
      }
      if ids.isEmpty { throw MobileOError(.usage, "missing argument ID; give at least one") }
      let text = tokenizer.decode(ids)
      if arguments.has("--json") {
        Output.json(["ids": .array(ids.map { .integer($0) }), "text": .string(text)])
      } else {
        Output.line(text)
      }
      return
    }
    guard let text = words.first, words.count == 1 else {
      throw MobileOError(
        .usage, words.isEmpty ? "missing argument TEXT; quote it" : "more than one TEXT; quote it")
    }
    let ids = tokenizer.encode(text: text)
    if arguments.has("--json") {
      let pieces = ids.map { JSONValue.string(tokenizer.decode([$0])) }
      Output.json([
        "ids": .array(ids.map { .integer($0) }), "pieces": .array(pieces), "text": .string(text),
      ])
    } else {
      Output.line(ids.map { String($0) }.joined(separator: " "))
    }
  }

  /// Where the tokenizer files of a bundle lie; other folders hold them themselves.
  private static func folder(_ source: String) throws -> String {
    guard FileManager.default.fileExists(atPath: source + "/" + Manifest.fileName) else {
      return source
    }
    let llm = try Manifest(folder: source).component("llm")
    return source + "/" + (llm.artifacts.first?.path ?? "llm")
  }
}
