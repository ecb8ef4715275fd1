import Foundation
import MobileO

/// A component on the server, for the time of one pipeline's part.
actor HostSession: LanguageModelSession {
  private let connection: Connection
  private let component: String
  private let keeps: Bool
  /// Not cancelled with whoever waits for it: what the server opened has to be known to be closed.
  private var opening: Task<String, any Error>?
  private var closing: Task<Void, Never>?

  init(_ connection: Connection, _ component: String, keeps: Bool) {
    (self.connection, self.component, self.keeps) = (connection, component, keeps)
  }

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try await connection.call("/components/\(component)/run", inputs)
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    var inputs = ["input_ids": inputIDs]
    inputs["image_features"] = imageFeatures
    return try await logits("prefill", inputs)
  }

  func step(_ token: Int) async throws -> Tensor {
    let input = Tensor(shape: [1, 1], .int32([Int32(clamping: token)]))
    return try await logits("step", ["input_ids": input])
  }

  func close() async {
    if closing == nil {
      let (connection, component, keeps, opening) = (connection, component, keeps, opening)
      closing = Task {
        if let session = try? await opening?.value {
          await connection.release("/llm/sessions/\(session)")
        }
        if !keeps { await connection.release("/components/\(component)") }
      }
    }
    await closing?.value
  }

  private func logits(_ verb: String, _ inputs: [String: Tensor]) async throws -> Tensor {
    if closing != nil { throw CancellationError() }
    let connection = connection
    let begun = opening ?? Task { try await Self.open(connection) }
    opening = begun
    let path = "/llm/sessions/\(try await begun.value)/\(verb)"
    return try await output("logits", of: connection.call(path, inputs), "llm")
  }

  /// The name of a new session.
  private static func open(_ connection: Connection) async throws -> String {
    let answer = try await connection.send("POST", "/llm/sessions")
    let content = try? JSONReader.document([UInt8](answer))
    guard let name = content?["session"]?.string, !name.isEmpty,
      name.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0.isWordByte })
    else {
      throw MobileOError(
        .session,
        "\(connection.name): opened a session without a name; use the mobileo-export of this "
          + "package's release")
    }
    return name
  }
}

extension UInt8 {
  /// A digit or a Latin letter.
  fileprivate var isWordByte: Bool {
    let character = Character(Unicode.Scalar(self))
    return character.isASCII && (character.isLetter || character.isNumber)
  }
}
