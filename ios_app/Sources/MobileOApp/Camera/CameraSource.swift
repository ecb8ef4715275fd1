import MobileO

/// Which way a camera looks.
public enum Facing: String, Sendable, CaseIterable {
  /// At what the user looks at.
  case back
  /// At the user.
  case front

  /// The other way.
  public var other: Facing { self == .back ? .front : .back }
}

/// The cameras as the app sees them: which there are, and the pictures of one.
public struct CameraSource: Sendable {
  /// The ways in which the device has a camera that can be chosen; of one, or none, nobody is asked.
  public var facings: @Sendable () -> [Facing]
  /// Starts a camera; it runs as long as the stream is read, and only one does at a time. Pictures are
  /// upright and in sRGB; one that nobody took is dropped for the next. Those of a front camera are not
  /// mirrored: writing can be read, and left is left, as another person sees it. What cannot be had is
  /// a ``MobileOError``.
  public var frames: @Sendable (Facing) async throws -> AsyncStream<Picture>

  /// Pictures of one's own.
  public init(
    facings: @escaping @Sendable () -> [Facing] = { [.back] },
    frames: @escaping @Sendable (Facing) async throws -> AsyncStream<Picture>
  ) {
    (self.facings, self.frames) = (facings, frames)
  }
}

/// Reads answers aloud.
public struct Speaker: Sendable {
  /// Says a text, and comes back when it is said.
  public var speak: @Sendable (_ text: String) async -> Void
  /// Stops in the middle of a word.
  public var stop: @Sendable () -> Void

  /// A voice.
  public init(
    speak: @escaping @Sendable (String) async -> Void, stop: @escaping @Sendable () -> Void
  ) {
    self.speak = speak
    self.stop = stop
  }

  /// Says nothing.
  public static let silent = Speaker(speak: { _ in }, stop: {})
}

/// What is asked about what the camera sees.
public enum CameraPreset: String, Sendable, CaseIterable {
  case describe, readText = "read_text", count, expression, custom

  /// The words; nil of ``custom``, whose words are the user's.
  public var question: String? {
    switch self {
    case .describe: "Describe what you see in one short sentence."
    case .readText: "What text is in the picture? Write it as it stands."
    case .count: "What things are in the picture, and how many of each? Answer briefly."
    case .expression: "What expression does the face show? Answer in a few words."
    case .custom: nil
    }
  }
}
