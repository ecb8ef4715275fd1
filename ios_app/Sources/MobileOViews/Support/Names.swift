import Foundation
import MobileO
import MobileOApp
import SwiftUI

extension Intent {
  /// On its chip.
  var title: LocalizedStringKey {
    switch self {
    case .chat: "Chat"
    case .draw: "Draw"
    case .ask: "Ask"
    case .edit: "Edit"
    }
  }

  var systemImage: String {
    switch self {
    case .chat: "bubble.left.and.bubble.right"
    case .draw: "paintbrush"
    case .ask: "questionmark.bubble"
    case .edit: "wand.and.stars"
    }
  }

  /// In the empty field.
  var placeholder: LocalizedStringKey {
    switch self {
    case .chat: "Write a message"
    case .draw: "Describe a picture"
    case .ask: "Ask about the picture"
    case .edit: "Say what to change"
    }
  }
}

extension RunProgress.Stage {
  var title: LocalizedStringKey {
    switch self {
    case .looking: "Looking at the picture"
    case .reading: "Reading the words"
    case .conditioning: "Making sense of them"
    case .drawing: "Drawing"
    case .decoding: "Finishing the picture"
    case .answering: "Answering"
    }
  }
}

/// What people call a component; what no release knows stays as it is.
func componentTitle(_ name: String) -> Text {
  switch name {
  case "vision_encoder": Text("Vision encoder")
  case "mcp": Text("Connector")
  case "dit": Text("Transformer")
  case "vae_decoder": Text("Picture decoder")
  case "llm": Text("Language model")
  default: Text(verbatim: name)
  }
}

/// `3.1 GB`.
func bytes(_ count: Int) -> String { count.formatted(.byteCount(style: .file)) }

/// `2 min, 5 sec`, of less than a second `0 sec`.
func time(_ duration: Duration) -> String {
  duration.formatted(.units(allowed: [.hours, .minutes, .seconds], width: .abbreviated))
}

/// `1.53`.
func number(_ value: Double) -> String {
  value.formatted(.number.precision(.significantDigits(1...4)))
}
