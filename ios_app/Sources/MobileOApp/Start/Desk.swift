import Foundation
import MobileO
import Observation

/// What a window shows: which screen, and which conversation lies on it.
@MainActor @Observable
public final class Desk {
  /// A screen.
  public enum Screen: String, Hashable, Sendable, CaseIterable {
    case create, library, camera, checks, settings
  }

  /// Something to do that comes from elsewhere: a shortcut, or a picture that another app shared.
  public struct Errand: Sendable {
    /// What is wanted.
    public let intent: Intent
    /// The words of it; blank where the user is to write them.
    public let text: String
    /// A picture file.
    public let picture: Data?
    /// How to draw; nil leaves what stands there.
    public let look: Request.Look?
    /// Of the noise; nil leaves what stands there.
    public let seed: UInt64?
    /// Whether words are sent, or laid out for the user to send.
    public let sends: Bool

    /// Of `intent`.
    public init(
      _ intent: Intent, text: String = "", picture: Data? = nil, look: Request.Look? = nil,
      seed: UInt64? = nil, sends: Bool = true
    ) {
      self.intent = intent
      self.text = text
      self.picture = picture
      self.look = look
      self.seed = seed
      self.sends = sends
    }
  }

  /// Reads picture files of any format that the platform knows.
  public typealias PictureReader = @Sendable (Data) async throws -> Picture

  /// The screen that is shown.
  public var screen = Screen.create
  /// What could not be done, in one sentence.
  public var notice: String?
  /// The conversation that is shown on ``Screen/create``.
  public private(set) var talk: ConversationModel?

  @ObservationIgnored private let read: PictureReader
  @ObservationIgnored private var errand: Errand?
  @ObservationIgnored private weak var studio: Studio?

  /// An empty desk.
  public init(read: @escaping PictureReader) { self.read = read }

  /// Lays out a conversation over an open bundle: the one that is there, or a new one. Does what was
  /// asked for before.
  public func settle(_ studio: Studio, _ library: Library) async {
    if talk == nil || self.studio !== studio { begin(studio, library) }
    if let errand {
      self.errand = nil
      await run(errand)
    }
  }

  /// Begins a new conversation.
  public func begin(_ studio: Studio, _ library: Library) {
    open(Conversation(), studio, library)
  }

  /// Goes on with a conversation.
  public func open(_ conversation: Conversation, _ studio: Studio, _ library: Library) {
    talk = ConversationModel(conversation, studio: studio, library: library)
    self.studio = studio
    screen = .create
  }

  /// Attaches a picture file to what is being put together.
  public func attach(_ file: Data) async {
    do {
      await talk?.attach(try await read(file))
      if talk?.composer.intent.takesPicture == false { talk?.composer.intent = .ask }
    } catch {
      notice = sentence(of: error)
    }
  }

  /// Does `errand`, as soon as a bundle is open. Words that can be sent are sent.
  public func take(_ errand: Errand) async {
    if talk == nil { self.errand = errand } else { await run(errand) }
  }

  private func run(_ errand: Errand) async {
    screen = .create
    talk?.composer.intent = errand.intent
    talk?.composer.text = errand.text
    if let picture = errand.picture { await attach(picture) }
    talk?.composer.intent = errand.intent
    if let look = errand.look {
      talk?.composer.steps = look.steps
      talk?.composer.guidance = look.guidance
    }
    if let seed = errand.seed { talk?.composer.seedText = String(seed) }
    if errand.sends, !errand.text.isEmpty, talk?.obstacle == nil { await talk?.send() }
  }
}
