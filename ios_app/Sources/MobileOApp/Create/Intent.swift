import MobileO

/// What the user wants of the model: a chip that they see and choose, never guessed from their words.
public enum Intent: String, Sendable, CaseIterable, Codable {
  /// Talk in text.
  case chat
  /// Make a picture of words.
  case draw
  /// A question about a picture.
  case ask
  /// Make a picture anew, changed by words.
  case edit

  /// Whether it is about a picture that the user gives.
  public var takesPicture: Bool { self == .ask || self == .edit }

  /// Whether a picture comes of it, so that steps, guidance and seed matter.
  public var drawsPicture: Bool { self == .draw || self == .edit }
}

/// All that a run depends on: with the same bundle it gives the same bytes again.
public struct Request: Sendable, Equatable, Codable {
  /// What is wanted.
  public let intent: Intent
  /// What the user wrote.
  public let text: String
  /// The name of the given picture in the library.
  public let picture: String?
  /// Steps and guidance, of what draws.
  public let look: Look?
  /// Of the noise, and of the choice of tokens.
  public let seed: UInt64
  /// The identity of the bundle that it is for: ``Manifest/identity``.
  public let bundle: String

  /// How a picture is drawn.
  public struct Look: Sendable, Equatable, Codable {
    /// 1 to 500.
    public let steps: Int
    /// 1 is none.
    public let guidance: Double

    /// Not checked: ``Composer`` does.
    public init(steps: Int, guidance: Double) {
      self.steps = steps
      self.guidance = guidance
    }
  }

  /// Not checked: ``Composer`` does.
  public init(
    intent: Intent, text: String, picture: String? = nil, look: Look? = nil, seed: UInt64,
    bundle: String
  ) {
    self.intent = intent
    self.text = text
    self.picture = picture
    self.look = look
    self.seed = seed
    self.bundle = bundle
  }

  /// Fails unless the bundle that is open is the one that it is for.
  ///
  /// - Throws: ``MobileOError`` of kind `usage` that names both.
  public func check(bundle open: String) throws {
    if bundle != open {
      throw MobileOError(
        .usage,
        "this was made with the bundle \(bundle.prefix(12)), and \(open.prefix(12)) is open, which "
          + "would give something else; open that bundle first")
    }
  }
}
