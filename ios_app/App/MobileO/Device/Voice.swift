import AVFoundation
import MobileOApp

/// Reads answers aloud with the system's voice.
@MainActor final class Voice: NSObject, AVSpeechSynthesizerDelegate {
  /// What the app's models take.
  static let speaker = Speaker(
    speak: { text in await shared.say(text) }, stop: { Task { @MainActor in shared.stop() } })

  private static let shared = Voice()
  private let synthesizer = AVSpeechSynthesizer()
  private var waiting: (id: ObjectIdentifier, continuation: CheckedContinuation<Void, Never>)?

  private override init() {
    super.init()
    synthesizer.delegate = self
  }

  private func say(_ text: String) async {
    stop()
    let utterance = AVSpeechUtterance(string: text)
    await withCheckedContinuation { continuation in
      waiting = (ObjectIdentifier(utterance), continuation)
      synthesizer.speak(utterance)
    }
  }

  private func stop() {
    synthesizer.stopSpeaking(at: .immediate)
    if let id = waiting?.id { ended(id) }
  }

  /// What is said of an utterance that was stopped comes late: it ends no other.
  private func ended(_ id: ObjectIdentifier) {
    guard let waiting, waiting.id == id else { return }
    self.waiting = nil
    waiting.continuation.resume()
  }

  nonisolated func speechSynthesizer(
    _ synthesizer: AVSpeechSynthesizer, didFinish utterance: AVSpeechUtterance
  ) {
    let id = ObjectIdentifier(utterance)
    Task { @MainActor in ended(id) }
  }
}
