import Foundation
import MobileO

/// A conversation as files to share: `conversation.json`, `conversation.md` and its pictures, each with
/// its prompt, seed, steps, guidance, recipe and bundle inside.
public struct Export: Sendable, Equatable {
  /// Paths, with forward slashes, and bytes.
  public let files: [String: [UInt8]]
  /// The names of pictures that could not be read: they are named in the texts, and are not here.
  public let missing: [String]

  /// Writes all of it into `folder`, which is made where it is not there.
  ///
  /// - Throws: ``MobileOError`` of kind `space`: a file cannot be written.
  public func write(to folder: URL, disk: Disk = .real) throws {
    try disk.makeFolder(folder.path + "/pictures")
    for (name, bytes) in files { try disk.replace(folder.path + "/" + name, with: bytes) }
  }
}

extension Library {
  /// A conversation as files.
  public func export(_ conversation: Conversation) throws -> Export {
    var files: [String: [UInt8]] = [
      "conversation.json": try ConversationFile.encode(conversation)
    ]
    var missing: [String] = []
    for name in conversation.pictures.sorted() {
      do {
        files["pictures/" + name] = try bytes(of: name)
      } catch {
        missing.append(name)
      }
    }
    files["conversation.md"] = Array(conversation.markdown(missing: Set(missing)).utf8)
    return Export(files: files, missing: missing)
  }
}

extension Conversation {
  /// The conversation for people to read.
  func markdown(missing: Set<String> = []) -> String {
    func picture(_ name: String, _ what: String) -> String {
      missing.contains(name)
        ? "*(\(what): \(name) is missing)*" : "![\(what)](pictures/\(name))"
    }
    var parts = ["# " + Self.escaped(title)]
    for turn in turns {
      parts.append("**You** (\(turn.request.intent.rawValue))")
      if let name = turn.request.picture { parts.append(picture(name, "given picture")) }
      parts.append(Self.quoted(turn.request.text))
      switch turn.reply {
      case nil: parts.append("*Interrupted.*")
      case .answer(let text, let end, _):
        parts.append("**Mobile-O**")
        if !text.isBlank { parts.append(Self.quoted(text)) }
        if end == .stopped { parts.append("*Stopped.*") }
        if end == .length { parts.append("*The longest answer was reached.*") }
      case .picture(let name, let stoppedAfter, _):
        parts.append("**Mobile-O**")
        if let name { parts.append(picture(name, "drawn picture")) }
        if let stoppedAfter { parts.append("*Stopped after step \(stoppedAfter).*") }
        parts.append("*\(turn.request.numbers)*")
      case .failed(let sentence): parts.append("*Failed: \(Self.escaped(sentence))*")
      }
    }
    return parts.joined(separator: "\n\n") + "\n"
  }

  /// Every line quoted and literal, whatever it holds.
  private static func quoted(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { "> " + escaped(String($0)) }.joined(separator: "\n")
  }

  private static func escaped(_ line: String) -> String {
    var shown = ""
    for character in line {
      if "\\`*_{}[]<>#|!~&".contains(character) { shown.append("\\") }
      shown.append(character)
    }
    return shown
  }
}

extension Request {
  /// What it was made with, in words.
  var numbers: String {
    let look = look.map { "\($0.steps) steps, guidance \($0.guidance), " } ?? ""
    return look + "seed \(seed), bundle \(bundle.prefix(12))"
  }
}
