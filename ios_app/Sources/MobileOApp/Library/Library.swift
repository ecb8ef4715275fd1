import Foundation
import MobileO
import Observation

/// Conversations and pictures, saved in a folder.
///
///     conversations/ID.json     one each
///     pictures/SHA256.png       named by their bytes: a damaged one is known, equal ones are one
///     damaged/…                 what could not be read, under its name
///
/// Every file is written beside its place and renamed, pictures before the conversation that shows
/// them: whenever the app is killed, what was saved before is there. What this holds in memory changes
/// only after the disk did.
@MainActor @Observable
public final class Library {
  /// A file that could not be read.
  public struct Problem: Sendable, Equatable {
    /// Where it is now, in the library's folder.
    public let path: String
    /// What is wrong and what became of it, in one sentence.
    public let sentence: String
  }

  /// The newest first.
  public private(set) var conversations: [Conversation] = []
  /// Pictures that are in no conversation, by name: of one that was being saved or deleted when the
  /// app was killed.
  public private(set) var strays: [String] = []
  /// What could not be read.
  public private(set) var problems: [Problem] = []

  @ObservationIgnored private let folder: String
  @ObservationIgnored private let disk: Disk

  private static let conversationsFolder = "conversations"
  private static let picturesFolder = "pictures"
  private static let damagedFolder = "damaged"

  /// Reads the library in `folder`, and makes it where there is none. A file that cannot be read is
  /// set aside and named in ``problems``; one of a later release is named and left where it is.
  ///
  /// - Throws: ``MobileOError``: the folder can be neither read nor made.
  public init(folder: URL, disk: Disk = .real) throws {
    self.folder = folder.path
    self.disk = disk
    for name in [Self.conversationsFolder, Self.picturesFolder, Self.damagedFolder] {
      try disk.makeFolder(path(name))
      for file in try disk.names(path(name)) where file.hasSuffix(Disk.partial) {
        try disk.remove(path(name, file))
      }
    }
    for file in try disk.names(path(Self.conversationsFolder)) where !file.hasPrefix(".") {
      read(file)
    }
    conversations.sort(by: Self.isNewer)
    try findStrays()
  }

  // MARK: Conversations

  /// The conversation `id`, as it was saved last.
  public func conversation(_ id: UUID) -> Conversation? {
    conversations.first { $0.id == id }
  }

  /// Saves a conversation, new or changed.
  public func save(_ conversation: Conversation) throws {
    try disk.replace(file(conversation.id), with: ConversationFile.encode(conversation))
    conversations.removeAll { $0.id == conversation.id }
    conversations.append(conversation)
    conversations.sort(by: Self.isNewer)
    strays.removeAll(where: conversation.pictures.contains)
  }

  /// Gives a conversation a name; a blank one brings its first words back.
  public func rename(_ id: UUID, to name: String) throws {
    guard var renamed = conversation(id) else { return }
    renamed.name = name.isBlank ? nil : oneLine(name, longest: 200)
    try save(renamed)
  }

  /// Deletes a conversation, and every picture that is in no other.
  public func delete(_ id: UUID) throws {
    guard let deleted = conversation(id) else { return }
    try disk.remove(file(id))
    conversations.removeAll { $0.id == id }
    let shown = conversations.reduce(into: Set<String>()) { $0.formUnion($1.pictures) }
    let alone = deleted.pictures.subtracting(shown)
    strays = (strays + alone).sorted()
    for name in alone.sorted() { try deletePicture(name) }
  }

  /// The conversations in which every word of `words` occurs, accents and case aside.
  public func search(_ words: String) -> [Conversation] {
    let wanted = words.split(whereSeparator: \.isWhitespace)
    return conversations.filter { conversation in
      let texts =
        [conversation.title] + conversation.turns.map(\.request.text)
        + conversation.turns.compactMap { turn in
          if case .answer(let text, _, _) = turn.reply { text } else { nil }
        }
      return wanted.allSatisfy { word in
        texts.contains {
          $0.range(of: word, options: [.caseInsensitive, .diacriticInsensitive]) != nil
        }
      }
    }
  }

  // MARK: Pictures

  /// Saves the PNG file `bytes`; its name.
  public func add(picture bytes: [UInt8]) throws -> String {
    let name = Self.name(of: bytes)
    try disk.replace(path(Self.picturesFolder, name), with: bytes)
    if !conversations.contains(where: { $0.pictures.contains(name) }), !strays.contains(name) {
      strays = (strays + [name]).sorted()
    }
    return name
  }

  /// The name of the PNG file `bytes`, whether it is saved or not.
  static func name(of bytes: [UInt8]) -> String { SHA256Digest.of(bytes) + ".png" }

  /// The bytes of a picture.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: it is not there, or not what was saved. Then it is
  ///   set aside, and named in ``problems``.
  public func bytes(of picture: String) throws -> [UInt8] {
    guard Self.isPicture(picture) else {
      throw MobileOError(.usage, "'\(picture)' is no picture of this library; attach it again")
    }
    guard let bytes = try disk.read(path(Self.picturesFolder, picture)) else {
      throw MobileOError(.usage, "\(picture): no longer in the library; make or attach it again")
    }
    if Self.name(of: bytes) != picture {
      setAside(Self.picturesFolder, picture, "its bytes are not those that were saved")
      throw MobileOError(
        .usage, "\(picture): not what was saved; it was set aside, make the picture again")
    }
    return bytes
  }

  /// A picture.
  public func picture(_ name: String) throws -> Picture { try PNG.decode(bytes(of: name)) }

  /// Deletes a picture that is in no conversation; another stays.
  public func deletePicture(_ name: String) throws {
    guard strays.contains(name) else { return }
    try disk.remove(path(Self.picturesFolder, name))
    strays.removeAll { $0 == name }
  }

  // MARK: Reading

  private func read(_ name: String) {
    do {
      guard let bytes = try disk.read(path(Self.conversationsFolder, name)) else { return }
      let conversation = try ConversationFile.decode(bytes)
      if name != conversation.id.uuidString + ".json" {
        throw ConversationFile.Problem.damaged("it has another conversation's name")
      }
      conversations.append(conversation)
    } catch ConversationFile.Problem.later(let version) {
      let place = Self.conversationsFolder + "/" + name
      problems.append(
        Problem(
          path: place,
          sentence:
            "\(place) is of version \(version), this app reads \(ConversationFile.version): "
            + "it stays as it is; update the app to see it."))
    } catch ConversationFile.Problem.damaged(let reason) {
      setAside(Self.conversationsFolder, name, reason)
    } catch {
      setAside(Self.conversationsFolder, name, sentence(of: error))
    }
  }

  /// Moves a file that cannot be read out of the way, under a name that is free.
  private func setAside(_ from: String, _ name: String, _ reason: String) {
    let old = from + "/" + name
    do {
      let taken = Set(try disk.names(path(Self.damagedFolder)))
      var free = name
      var count = 2
      while taken.contains(free) {
        free = "\(count)-\(name)"
        count += 1
      }
      try disk.rename(path(from, name), path(Self.damagedFolder, free))
      let place = Self.damagedFolder + "/" + free
      problems.append(
        Problem(path: place, sentence: "\(old) is damaged (\(reason)): it was moved to \(place)."))
    } catch {
      problems.append(
        Problem(path: old, sentence: "\(old) is damaged (\(reason)): it was left where it is."))
    }
  }

  private func findStrays() throws {
    let shown = conversations.reduce(into: Set<String>()) { $0.formUnion($1.pictures) }
    strays = try disk.names(path(Self.picturesFolder)).filter {
      Self.isPicture($0) && !shown.contains($0)
    }
  }

  /// Whether a name is one that ``add(picture:)`` gives: it cannot lead out of the folder.
  private static func isPicture(_ name: String) -> Bool {
    let digits = name.utf8.dropLast(4)
    return name.hasSuffix(".png") && digits.count == 64
      && digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private func path(_ parts: String...) -> String {
    ([folder] + parts).joined(separator: "/")
  }

  private func file(_ id: UUID) -> String {
    path(Self.conversationsFolder, id.uuidString + ".json")
  }

  private static func isNewer(_ left: Conversation, _ right: Conversation) -> Bool {
    left.created == right.created
      ? left.id.uuidString < right.id.uuidString : left.created > right.created
  }
}
