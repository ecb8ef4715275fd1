import AVFoundation
import MobileOApp

/// Reads answers aloud with the system's voice.
@MainActor final class Voice: NSObject, AVSpeechSynthesizerDelegate {
  /// What the app's models take.
  static let speaker = Speaker(
    speak: { text in await shared.say(text) }, stop: { Task { @MainActor in shared.stop() } })

  private static let shared = Voice()
  private let synthesizer = AVSpeechSynthesizer()
  private var waiting: CheckedContinuation<Void, Never>?

  private override init() {
    super.init()
    synthesizer.delegate = self
  }

  private func say(_ text: String) async {
    stop()
    await withCheckedContinuation { continuation in
      waiting = continuation
      synthesizer.speak(AVSpeechUtterance(string: text))
    }
  }

  private func stop() {
    synthesizer.stopSpeaking(at: .immediate)
    ended()
  }

  private func ended() {
    waiting?.resume()
    waiting = nil
  }

  nonisolated func speechSynthesizer(
    _ synthesizer: AVSpeechSynthesizer, didFinish utterance: AVSpeechUtterance
  ) {
    Task { @MainActor in ended() }
  }
}
