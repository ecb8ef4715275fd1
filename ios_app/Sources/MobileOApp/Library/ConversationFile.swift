import Foundation
import MobileO

/// A conversation as a JSON document of its own: what is saved, and what is exported.
enum ConversationFile {
  static let format = "mobileo-conversation"
  /// The newest version that this release reads, and the one that it writes.
  static let version = 1

  /// Why a document is no conversation.
  enum Problem: Error, Equatable {
    /// A later release wrote it: it is fine where it is.
    case later(Int)
    case damaged(String)
  }

  private struct Head: Codable {
    var format = ConversationFile.format
    var version = ConversationFile.version
  }

  private struct Document: Codable {
    var format = ConversationFile.format
    var version = ConversationFile.version
    let conversation: Conversation
  }

  static func encode(_ conversation: Conversation) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    return Array(try encoder.encode(Document(conversation: conversation))) + [0x0A]
  }

  static func decode(_ bytes: [UInt8]) throws -> Conversation {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    do {
      let head = try decoder.decode(Head.self, from: Data(bytes))
      if head.format != format { throw Problem.damaged("it is no conversation") }
      if head.version > version { throw Problem.later(head.version) }
      return try decoder.decode(Document.self, from: Data(bytes)).conversation
    } catch let error as DecodingError {
      throw Problem.damaged(reason(error))
    }
  }

  private static func reason(_ error: DecodingError) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }
        .joined(separator: ".")
    }
    switch error {
    case .keyNotFound(let key, let context):
      return "\(place(context.codingPath + [key])) is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "\(place(context.codingPath)) is of another type"
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty
        ? "it is no JSON" : "\(place(context.codingPath)) cannot be read"
    @unknown default: return "it cannot be read"
    }
  }
}
