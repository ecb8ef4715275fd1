import Foundation
import MobileO

/// `mobileo ask`: picture and questions to text.
enum Ask: Command {
  static let name = "ask"
  static let summary = "Answer questions about a picture; the text appears as it is made."
  static let usage = "BUNDLE PHOTO QUESTION..."
  static let details = """
    A further question goes on from what was said: the picture and the earlier questions are not read
    again. With --json, several questions give one JSON object a line.
    """ + " " + Serving.details
  static let options = Answering.options
  static let elsewhere = Serving.elsewhere

  static func run(_ arguments: Arguments) async throws {
    let (words, questions) = try words(arguments, ["BUNDLE", "PHOTO"], then: "QUESTION")
    // Before the first is answered.
    for question in questions { try Prompter.checkWords("the question", question) }
    let how = try Answering.sampling(arguments, words[0])
    let display = Answering(arguments)
    try await Serving.run(words[0], arguments) { model, engine in
      let photo = try await Serving.picture(words[1], engine)
      let runtimes = try await model.runtimes(of: .ask)
      let dialog = VisualDialog(model, about: photo)
      do {
        for question in questions {
          let started = ContinuousClock.now
          let said = try await display.show(dialog.asking(question, how))
          let seconds = Serving.seconds(since: started)
          show(said, seconds, runtimes, display, several: questions.count > 1)
        }
      } catch {
        await dialog.close()
        throw error
      }
      await dialog.close()
    }
  }

  private static func show(
    _ said: Answer, _ seconds: Double, _ runtimes: [String: String], _ display: Answering,
    several: Bool
  ) {
    if several {
      Serving.warn("the dialog", cut: said.prompt.cut, of: "beginning")
    } else {
      Serving.warn("the question", cut: said.prompt.cut)
    }
    let result = Answering.result(said, seconds, runtimes)
    if !display.isJSON {
      Answering.warn(said)
    } else if several {
      Output.line(result.line)
    } else {
      Output.json(result)
    }
  }
}

/// `mobileo chat`: a conversation in text.
enum ChatCommand: Command {
  static let name = "chat"
  static let summary = "Talk with the model; it remembers what was said."
  static let usage = "BUNDLE"
  static let details = """
    One message a line, from the terminal or a pipe. An empty line or /exit ends, /reset forgets what
    was said; --json prints one object a line.
    """ + " " + Serving.details
  static let options = Answering.options
  static let elsewhere = Serving.elsewhere

  static func run(_ arguments: Arguments) async throws {
    let bundle = try single(arguments, "BUNDLE")
    let how = try Answering.sampling(arguments, bundle)
    let display = Answering(arguments)
    try await Serving.run(bundle, arguments, keepsComponents: true) { model, _ in
      let isInteractive = isatty(STDIN_FILENO) == 1
      let prompts = isInteractive && !display.isJSON
      if prompts {
        Output.aside("An empty line or /exit ends, /reset forgets what was said.\n> ")
      }
      var turns: [String] = []
      for await line in Lines.ofStandardInput() {
        let message = try Lines.text(line)
        if message.isEmpty || message == "/exit" { break }
        if message == "/reset" {
          turns = []
        } else {
          do {
            let said = try await answer(model, turns + [message], how, display)
            turns += [message, said.text]
          } catch let error as MobileOError where error.kind == .usage && isInteractive {
            Output.error(error.description)  // the next message may be one that can be answered
          }
        }
        if prompts { Output.aside("> ") }
      }
      try Task.checkCancellation()
    }
  }

  private static func answer(
    _ model: MobileO, _ turns: [String], _ how: Sampling, _ display: Answering
  ) async throws -> Answer {
    let started = ContinuousClock.now
    let said = try await display.show(model.chatting(turns, how))
    Serving.warn("the conversation", cut: said.prompt.cut, of: "beginning")
    if display.isJSON {
      let seconds = Serving.seconds(since: started)
      Output.line(Answering.result(said, seconds, try await model.runtimes(of: .chat)).line)
    } else {
      Answering.warn(said)
    }
    return said
  }
}

/// What the two share: options, and how an answer is shown.
struct Answering {
  static let options =
    [
      Arguments.Option(
        "--temperature", value: "FLOAT",
        help: "0: the most probable token; the recipe's (0) by default."),
      Arguments.Option(
        "--top-p", value: "FLOAT", help: "Share of probability that takes part."),
      Arguments.Option(
        "--max-new-tokens", value: "INTEGER",
        help: "The longest answer; the recipe's (256) by default."),
      Arguments.Option(
        "--seed", value: "INTEGER",
        help: "Of the choice of tokens above temperature 0; 0 by default."),
    ] + Serving.options

  let isJSON: Bool
  private let isQuiet: Bool

  init(_ arguments: Arguments) {
    isJSON = arguments.has("--json")
    isQuiet = isJSON || arguments.has("--quiet")
  }

  /// How tokens are chosen; an option that would do nothing is refused.
  static func sampling(_ arguments: Arguments, _ bundle: String) throws -> Sampling {
    let temperature: Double? = try arguments.number("--temperature", "a number from 0 to 10")
    let topP: Double? = try arguments.number("--top-p", "a number from 0 to 1")
    let most: Int? = try arguments.number("--max-new-tokens", "a whole number")
    let seed: UInt64? = try arguments.number("--seed", "one from 0 to \(UInt64.max)")
    let how = try Sampling(
      Manifest(folder: bundle).recipe, temperature: temperature, topP: topP, maxNewTokens: most,
      seed: seed ?? 0)
    if how.temperature == 0, let idle = ["--top-p", "--seed"].first(where: arguments.has) {
      throw MobileOError(
        .usage,
        "\(idle) goes with --temperature above 0: at 0 the most probable token is taken each time")
    }
    return how
  }

  /// The answer, after its text was printed as it came.
  func show(_ events: AsyncThrowingStream<AnswerEvent, any Error>) async throws -> Answer {
    var display = ProgressDisplay(quiet: isQuiet)
    defer { display.end() }
    var found: Answer?
    for try await event in events {
      switch event {
      case .stage(let stage):
        display.stage(stage == .looking ? "vision_encoder" : "llm", stage.rawValue)
      case .text(let text):
        display.end()
        if !isJSON { Output.part(text) }
      case .answer(let answer): found = answer
      }
    }
    try Task.checkCancellation()
    guard let found else { throw CancellationError() }
    if !isJSON { Output.line("") }
    return found
  }

  static func result(
    _ said: Answer, _ seconds: Double, _ runtimes: [String: String]
  ) -> JSONValue {
    [
      "text": .string(said.text), "token_ids": .array(said.ids.map { .integer($0) }),
      "ended": .string(said.ended.rawValue), "prompt_tokens": .integer(said.prompt.ids.count),
      "cut_tokens": .integer(said.prompt.cut), "seconds": .number(seconds),
      "runtimes": runtimes.json,
    ]
  }

  /// Says that the limit ended an answer.
  static func warn(_ said: Answer) {
    if said.ended == .length {
      Output.warning("stopped after \(said.ids.count) tokens; see --max-new-tokens")
    }
  }
}

/// Lines that are typed or piped in.
enum Lines {
  /// Each as it comes, without waiting for it in a way that cannot be cancelled.
  static func ofStandardInput() -> AsyncStream<Data> {
    AsyncStream { continuation in
      Thread.detachNewThread {
        var rest = Data()
        while true {
          let data = FileHandle.standardInput.availableData
          if data.isEmpty { break }
          rest += data
          while let end = rest.firstIndex(of: 10) {
            continuation.yield(Data(rest[..<end]))
            rest = Data(rest[(end + 1)...])
          }
        }
        if !rest.isEmpty { continuation.yield(rest) }
        continuation.finish()
      }
    }
  }

  /// A line without the blanks around it.
  static func text(_ line: Data) throws -> String {
    guard let text = String(validating: line, as: UTF8.self) else {
      throw MobileOError(
        .usage, "a message is no UTF-8; write it so (iconv -f latin1 -t utf-8 converts)")
    }
    let scalars = text.unicodeScalars.drop(while: \.isSpace)
    let blanks = scalars.reversed().prefix(while: \.isSpace).count
    return String(String.UnicodeScalarView(scalars.dropLast(blanks)))
  }
}
