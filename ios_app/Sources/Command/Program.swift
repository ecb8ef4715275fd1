import Foundation
import MobileO

/// `mobileo`: the command line of the package, with the words and exit codes of `mobileo-export`.
@main
enum Program {
  static let commands: [any Command.Type] = [
    Generate.self, Edit.self, Ask.self, ChatCommand.self, Bench.self, Verify.self, Replay.self,
    Tokens.self, NoiseCommand.self,
  ]

  static func main() async {
    Signals.install()
    exit(await run(Array(CommandLine.arguments.dropFirst())))
  }

  /// Runs the command that `words` name; the exit code: 0 fine, 1 a check failed, 2 usage or could
  /// not run (130 when interrupted, 143 when asked to terminate).
  private static func run(_ words: [String]) async -> Int32 {
    guard let first = words.first, first != "--help" else {
      Output.line(overview)
      return words.isEmpty ? 2 : 0
    }
    do {
      try checkEncoding()
      guard let command = commands.first(where: { $0.name == first }) else {
        let what = first.hasPrefix("-") ? "option" : "command"
        throw MobileOError(.usage, "no such \(what): \(first); see mobileo --help")
      }
      // As elsewhere, --help wins over whatever else is wrong.
      if words.dropFirst().prefix(while: { $0 != "--" }).contains("--help") {
        Output.line(command.help)
        return 0
      }
      try await command.run(
        Arguments(
          Array(words.dropFirst()), command.options, elsewhere: command.elsewhere))
      return 0
    } catch let error as MobileOError {
      Output.error(error.description)
      return error.exitCode
    } catch is CancellationError {
      Output.error("interrupted")
      return Signals.code
    } catch {
      Output.error(error.localizedDescription)
      return 2
    }
  }

  /// Swift mends words that are no UTF-8 without a word; what would then be read is another text.
  private static func checkEncoding() throws {
    for index in 0..<Int(CommandLine.argc) {
      guard let word = CommandLine.unsafeArgv[index] else { continue }
      if String(validatingCString: word) == nil {
        throw MobileOError(
          .usage, "argument \(index) is no UTF-8; write it so (iconv -f latin1 -t utf-8 converts)")
      }
    }
  }

  private static var overview: String {
    let lines = Output.columns(commands.map { ($0.name, $0.summary) })
    return """
      Usage: mobileo COMMAND [OPTIONS] …

      Use and check a bundle made by mobileo-export with the Swift package that apps use.

      Commands:
      \(lines)

      Options:
        --help  Show this message and exit. Every command has it.
      """
  }
}
