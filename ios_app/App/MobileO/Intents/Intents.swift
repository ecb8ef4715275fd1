import AppIntents
import Foundation
import MobileOApp
import MobileOViews
import UniformTypeIdentifiers

// Each opens the app and does its work there: the GPU may not be used in the background.

/// Draws a picture of words.
struct DrawIntent: AppIntent {
  static let title: LocalizedStringResource = "Draw a picture"
  static let openAppWhenRun = true

  @Parameter(title: "What to draw") var words: String

  @MainActor func perform() async throws -> some IntentResult {
    Errands.begin(Desk.Errand(.draw, text: words))
    return .result()
  }
}

/// Asks about a picture.
struct AskIntent: AppIntent {
  static let title: LocalizedStringResource = "Ask about a picture"
  static let openAppWhenRun = true

  @Parameter(title: "Picture", supportedContentTypes: [.image]) var picture: IntentFile
  @Parameter(title: "Question") var question: String

  @MainActor func perform() async throws -> some IntentResult {
    Errands.begin(Desk.Errand(.ask, text: question, picture: picture.data))
    return .result()
  }
}

/// Edits a picture.
struct EditIntent: AppIntent {
  static let title: LocalizedStringResource = "Edit a picture"
  static let openAppWhenRun = true

  @Parameter(title: "Picture", supportedContentTypes: [.image]) var picture: IntentFile
  @Parameter(title: "What to change") var instruction: String

  @MainActor func perform() async throws -> some IntentResult {
    Errands.begin(Desk.Errand(.edit, text: instruction, picture: picture.data))
    return .result()
  }
}

/// Begins or goes on with a chat.
struct ChatIntent: AppIntent {
  static let title: LocalizedStringResource = "Chat"
  static let openAppWhenRun = true

  @Parameter(title: "Message") var message: String

  @MainActor func perform() async throws -> some IntentResult {
    Errands.begin(Desk.Errand(.chat, text: message))
    return .result()
  }
}

/// Hands what shortcuts ask for to the desk, and does not wait: a shortcut has seconds, a picture takes
/// longer.
@MainActor enum Errands {
  static func begin(_ errand: Desk.Errand) {
    Task { await Shared.desk.take(errand) }
  }
}
