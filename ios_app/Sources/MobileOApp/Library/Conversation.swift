import Foundation
import MobileO

/// What was said and made, in order.
public struct Conversation: Sendable, Equatable, Identifiable, Codable {
  /// Its own, for good.
  public let id: UUID
  /// When it was begun, to the second.
  public let created: Date
  /// What the user calls it.
  public var name: String?
  /// In order.
  public var turns: [Turn]

  /// Empty.
  public init(id: UUID = UUID(), created: Date = Date()) {
    self.id = id
    self.created = Date(timeIntervalSince1970: created.timeIntervalSince1970.rounded(.down))
    turns = []
  }

  /// What the user calls it, or how its first words begin.
  public var title: String {
    if let name { return name }
    guard let first = turns.first else { return "New conversation" }
    let line = oneLine(first.request.text, longest: 1000)
    return line.count <= 60 ? line : line.prefix(59) + "…"
  }

  /// The names of all pictures in it.
  public var pictures: Set<String> {
    Set(turns.flatMap { [$0.request.picture, $0.reply?.picture] }.compactMap { $0 })
  }

  /// What the language model is to know of the talk so far: user, assistant, ….
  ///
  /// Pictures and what was said about them take no part: its prompts have no place for them. An answer
  /// that was stopped counts as far as it came.
  public var history: [String] { said { $0.intent == .chat } }

  /// What was asked about a picture so far, and answered: user, assistant, ….
  public func history(about picture: String) -> [String] {
    said { $0.intent == .ask && $0.picture == picture }
  }

  private func said(_ counts: (Request) -> Bool) -> [String] {
    turns.flatMap { turn -> [String] in
      guard counts(turn.request), case .answer(let text, _, _) = turn.reply, !text.isBlank
      else { return [] }
      return [turn.request.text, text]
    }
  }
}

/// What the user asked for, and what came of it.
public struct Turn: Sendable, Equatable, Identifiable, Codable {
  /// Its own, for good.
  public let id: UUID
  /// All that the run depends on; of a chat also the talk before it.
  public let request: Request
  /// Nil while it is made. Of a saved turn: the app was ended meanwhile.
  public var reply: Reply?

  /// A turn that nothing came of yet.
  public init(id: UUID = UUID(), _ request: Request) {
    self.id = id
    self.request = request
  }
}

/// What came of a request.
///
/// `cut` counts the tokens of what the user wrote, or of the talk before, that did not fit.
public enum Reply: Sendable, Equatable, Codable {
  /// A text, and why there is no more of it.
  case answer(text: String, end: End, cut: Int)
  /// The name of a picture in the library. Of a drawing that was stopped, `stoppedAfter` steps, it is
  /// the last preview; nil if there was none.
  case picture(name: String?, stoppedAfter: Int?, cut: Int)
  /// Nothing, and why, in one sentence.
  case failed(sentence: String)

  /// Why an answer ended.
  public enum End: String, Sendable, Codable {
    /// The model had said everything.
    case stop
    /// The limit was reached.
    case length
    /// The user stopped it, or left.
    case stopped
  }

  /// The name of the picture in the library.
  public var picture: String? { if case .picture(let name, _, _) = self { name } else { nil } }
}
