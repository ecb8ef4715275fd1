import Foundation
import MobileO
import Observation

/// A conversation on the screen: what is typed, what is being made, and what was.
///
/// What the user asked for is saved before it is begun, and what came of it when it ended, so that a
/// kill loses at most the reply that was being made.
@MainActor @Observable
public final class ConversationModel {
  /// What the user is putting together.
  public var composer: Composer
  /// What could not be done, in one sentence, until something else is.
  public private(set) var notice: String?
  /// The turn that is being made.
  public private(set) var running: UUID?

  /// What could not be saved yet, by turn: it is shown, and saved with the next change.
  private var unsaved: [UUID: Reply] = [:]

  /// The attached picture; its file comes into the library when it is sent.
  private var attached: (name: String, picture: Picture, bytes: [UInt8])?

  @ObservationIgnored private let fresh: Conversation
  @ObservationIgnored private let studio: Studio
  @ObservationIgnored private let library: Library
  @ObservationIgnored private let chance: @Sendable () -> UInt64

  /// A conversation to begin or to go on with. A studio and a library serve many.
  public init(
    _ conversation: Conversation = Conversation(), studio: Studio, library: Library,
    chance: @escaping @Sendable () -> UInt64 = { UInt64.random(in: 0...UInt64.max) }
  ) {
    fresh = conversation
    self.studio = studio
    self.library = library
    self.chance = chance
    composer = Composer(studio.model.recipe)
    composer.isSeedLocked = studio.settings.isSeedLocked
  }

  /// All turns; the one that is ``running`` has no reply yet. The library's own, so that what is
  /// renamed there, or said in another window, is here too.
  public var conversation: Conversation {
    var shown = library.conversation(fresh.id) ?? fresh
    for place in shown.turns.indices {
      if let reply = unsaved[shown.turns[place].id] { shown.turns[place].reply = reply }
    }
    return shown
  }

  /// How far the turn that is being made is: its stage, its steps and preview, its text so far.
  public var progress: RunProgress? { isInStudio ? studio.state.progress : nil }

  /// Whether the studio's state is about our turn: while that is saved, another's may have begun.
  private var isInStudio: Bool { running != nil && studio.owner == running }

  /// Why nothing can be sent now, in one sentence; nil if it can.
  public var obstacle: String? { composer.problem ?? busy }

  /// A turn is under way until what came of it is saved.
  private var busy: String? {
    running == nil ? studio.obstacle : "Something is being made here: wait for it, or stop it."
  }

  /// Attaches a picture to what is being put together.
  public func attach(_ picture: Picture) async {
    let bytes = await Self.file(picture, [])
    let name = Library.name(of: bytes)
    attached = (name, picture, bytes)
    composer.picture = name
  }

  /// Sends what is put together, and waits until it is made, stopped or failed.
  public func send() async {
    await noticing {
      if let obstacle { throw MobileOError(.usage, obstacle) }
      let request = try composer.request(
        bundle: studio.model.manifest.identity, chance: chance())
      let (turn, job) = try begin(request)
      composer.sent(request)
      if composer.picture == nil { attached = nil }
      try await make(turn, job)
    }
  }

  /// Makes the picture of a turn again, as a new turn: with the same bytes, since its request is the
  /// same.
  public func makeAgain(_ id: UUID) async {
    await noticing {
      guard let request = conversation.turns.first(where: { $0.id == id })?.request else { return }
      guard request.intent.drawsPicture else {
        throw MobileOError(
          .usage, "Only pictures are made again: send the words once more for another answer.")
      }
      try request.check(bundle: studio.model.manifest.identity)
      if let busy { throw MobileOError(.usage, busy) }
      let (turn, job) = try begin(request)
      try await make(turn, job)
    }
  }

  /// Stops what is being made in this conversation; what is there of it stays.
  public func stop() {
    if isInStudio { studio.stop() }
  }

  /// What the model sees of a picture, attached or in the library: padded, resized, and no other
  /// pixels.
  public func asSeen(_ name: String) throws -> Picture {
    try studio.model.recipe.preprocessing.seen(picture(name))
  }

  // MARK: Making

  /// The turn of a request, saved with the picture that it is about, and what is to be run.
  private func begin(_ request: Request) throws -> (Turn, Job) {
    let turn = Turn(request)
    let job = try job(request)
    if let attached, attached.name == request.picture {
      _ = try library.add(picture: attached.bytes)
    }
    var begun = conversation
    begun.turns.append(turn)
    try save(begun)
    return (turn, job)
  }

  private func make(_ turn: Turn, _ job: Job) async throws {
    running = turn.id
    defer { running = nil }
    var reply: Reply?
    var problem: (any Error)?
    do {
      reply = try await self.reply(to: turn, after: try await studio.run(job, for: turn.id))
    } catch {
      problem = error
      reply = .failed(sentence: sentence(of: error))
    }
    try keepIfThere(reply, turn.id)
    if let problem { throw problem }
  }

  /// Saves what came of a turn, unless its conversation was deleted meanwhile.
  private func keepIfThere(_ reply: Reply?, _ turn: UUID) throws {
    guard let reply, library.conversation(fresh.id) != nil else { return }
    unsaved[turn] = reply
    try save(conversation)
  }

  private func save(_ conversation: Conversation) throws {
    try library.save(conversation)
    unsaved = [:]
  }

  private func job(_ request: Request) throws -> Job {
    let recipe = studio.model.recipe.sampling
    let look = request.look ?? Request.Look(steps: recipe.steps, guidance: recipe.guidance)
    switch (request.intent, try request.picture.map(picture)) {
    case (.chat, _): return .chat(conversation.history + [request.text], seed: request.seed)
    case (.draw, _): return .draw(request.text, look, seed: request.seed)
    case (.ask, let picture?):
      let before = conversation.history(about: request.picture ?? "")
      return .ask(picture, before + [request.text], seed: request.seed)
    case (.edit, let picture?): return .edit(picture, request.text, look, seed: request.seed)
    case (_, nil): throw MobileOError(.usage, "The picture is missing: attach it again.")
    }
  }

  private func picture(_ name: String) throws -> Picture {
    if let attached, attached.name == name { return attached.picture }
    return try library.picture(name)
  }

  /// What came of it; nil if its conversation was deleted meanwhile.
  private func reply(to turn: Turn, after state: RunState) async throws -> Reply? {
    switch state {
    case .finished(.picture(let drawn), _):
      let texts =
        drawn.texts(prompt: turn.request.text, bundle: studio.model.manifest)
        + turn.request.texts
      guard let name = try await saved(drawn.picture, texts) else { return nil }
      return .picture(name: name, stoppedAfter: nil, cut: drawn.prompt.cut)
    case .finished(.answer(let answer), _):
      return .answer(
        text: answer.text, end: answer.ended == .stop ? .stop : .length, cut: answer.prompt.cut)
    case .failed(let sentence, _): return .failed(sentence: sentence)
    case .stopped(let progress, _), .running(let progress), .stopping(let progress, _):
      if !turn.request.intent.drawsPicture {
        return .answer(text: progress.text, end: .stopped, cut: 0)
      }
      guard let preview = progress.preview else {
        return .picture(name: nil, stoppedAfter: progress.step, cut: 0)
      }
      let texts = turn.request.previewTexts(after: progress.step)
      guard let name = try await saved(preview, texts) else { return nil }
      return .picture(name: name, stoppedAfter: progress.step, cut: 0)
    case .idle: return nil
    }
  }

  /// The name of a picture that was drawn; nil if its conversation was deleted meanwhile.
  private func saved(
    _ picture: Picture, _ texts: [(key: String, text: String)]
  ) async throws -> String? {
    let bytes = await Self.file(picture, texts)
    return library.conversation(fresh.id) == nil ? nil : try library.add(picture: bytes)
  }

  /// A PNG file, packed away from the main actor.
  private static func file(
    _ picture: Picture, _ texts: [(key: String, text: String)]
  ) async -> [UInt8] {
    await Task.detached { PNG.encode(picture, texts: texts) }.value
  }

  private func noticing(_ body: () async throws -> Void) async {
    notice = nil
    do {
      try await body()
    } catch {
      notice = sentence(of: error)
    }
  }
}

extension Request {
  /// What the file of a picture says beside ``DrawnPicture/texts(prompt:bundle:)``.
  var texts: [(key: String, text: String)] {
    [("intent", intent.rawValue)] + (picture.map { [("source", $0)] } ?? [])
  }

  /// What the file of a preview says: what it was to become.
  func previewTexts(after step: Int) -> [(key: String, text: String)] {
    let numbers = look.map { [("steps", String($0.steps)), ("guidance", shortest($0.guidance))] }
    return [("Software", "MobileO"), ("prompt", text)] + (numbers ?? [])
      + [("seed", String(seed)), ("bundle", bundle), ("preview", "step \(step)")] + texts
  }
}

extension Recipe.Preprocessing {
  /// What the vision encoder sees of `picture`: S × S pixels, exactly those that ``prepare(_:)``
  /// scales.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: the recipe scales so that no pixels come back.
  public func seen(_ picture: Picture) throws -> Picture {
    let values = try prepare(picture).floats("images")
    let plane = imageSize * imageSize
    var rgb = [UInt8](repeating: 0, count: plane * 3)
    for channel in 0..<3 {
      let levels = (0...255).map { level in
        (Float(level) * Float(rescale) - Float(mean[channel])) / Float(deviation[channel])
      }
      let places = Dictionary(zip(levels, UInt8(0)...255), uniquingKeysWith: { first, _ in first })
      for place in 0..<plane {
        guard let level = places[values[channel * plane + place]] else {
          throw MobileOError(.session, "the recipe's scale of pixels is none; export again")
        }
        rgb[place * 3 + channel] = level
      }
    }
    return try Picture(width: imageSize, height: imageSize, rgb: rgb)
  }
}
