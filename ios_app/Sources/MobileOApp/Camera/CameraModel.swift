import Foundation
import MobileO
import Observation

/// The camera as the app sees it: pictures that come, and a voice for the answers.
public struct CameraSource: Sendable {
  /// Starts the camera; it runs as long as the stream is read. Pictures are upright and in sRGB; one
  /// that nobody took is dropped for the next. What cannot be had is a ``MobileOError``.
  public var frames: @Sendable () async throws -> AsyncStream<Picture>

  /// Pictures of one's own.
  public init(frames: @escaping @Sendable () async throws -> AsyncStream<Picture>) {
    self.frames = frames
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

/// Asks about what the camera sees: over and over (live), or about one picture that the user froze.
///
/// One question is in flight at a time, about the newest picture that came; how long it rests between
/// two depends on how hot the device is. It stops when the scene leaves, or when it is told to.
@MainActor @Observable
public final class CameraModel {
  /// Live asks by itself; photo when the user does.
  public enum Mode: String, Sendable, CaseIterable {
    case live, photo
  }

  /// What the camera does.
  public enum State: Sendable, Equatable {
    case off
    /// The system is asked for the camera.
    case starting
    /// Pictures come.
    case watching
    /// One picture stands still.
    case frozen
    /// In one sentence.
    case failed(String)
  }

  /// What was answered.
  public struct Said: Sendable, Equatable {
    /// What was asked.
    public let question: String
    /// What was answered, as far as it came.
    public let text: String
    /// The picture that it is about.
    public let picture: Picture
    /// From the picture to the end of the answer.
    public let took: Duration
  }

  /// What the camera does.
  public private(set) var state = State.off
  /// Live, or photo.
  public var mode = Mode.live {
    didSet { if mode == .live { wake() } }
  }
  /// What is asked.
  public var preset = CameraPreset.describe
  /// The user's own question, with ``CameraPreset/custom``.
  public var customQuestion = ""
  /// Whether answers are read aloud.
  public var speaks = false {
    didSet { if !speaks { speaker.stop() } }
  }
  /// The newest picture, or the frozen one.
  public private(set) var picture: Picture?
  /// The newest answer that is whole.
  public private(set) var said: Said?
  /// Whether a question is in flight.
  public private(set) var isAsking = false
  /// Why nothing is answered, in one sentence; nil if it is.
  public private(set) var notice: String?
  /// How long it rests between two answers now; nil where it is too hot to go on.
  public private(set) var pause: Duration? = .zero

  @ObservationIgnored private let studio: Studio
  @ObservationIgnored private let source: CameraSource
  @ObservationIgnored private let speaker: Speaker
  @ObservationIgnored private let heat: @Sendable () -> Heat?
  @ObservationIgnored private let sleep: @Sendable (Duration) async throws -> Void
  @ObservationIgnored private let now: @Sendable () -> Duration
  @ObservationIgnored private let id = UUID()
  @ObservationIgnored private var watching: Task<Void, Never>?
  @ObservationIgnored private var asking: Task<Void, Never>?
  /// Which picture ``picture`` is.
  @ObservationIgnored private var newest = 0
  /// Which was asked about last.
  @ObservationIgnored private var asked = 0

  /// A camera that asks `studio`; it is off.
  ///
  /// - Parameters:
  ///   - heat: how hot the device is.
  ///   - sleep, now: a clock.
  public init(
    studio: Studio, source: CameraSource, speaker: Speaker = .silent,
    heat: @escaping @Sendable () -> Heat? = { nil },
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
    now: @escaping @Sendable () -> Duration = Studio.clock
  ) {
    self.studio = studio
    self.source = source
    self.speaker = speaker
    self.heat = heat
    self.sleep = sleep
    self.now = now
  }

  /// The answer that is being written.
  public var text: String? {
    guard isAsking, studio.owner == id else { return nil }
    return studio.state.progress?.text
  }

  /// What is asked; nil where the user has written nothing yet.
  public var question: String? {
    if let words = preset.question { return words }
    return customQuestion.isBlank ? nil : customQuestion
  }

  /// How long to rest between two answers: the hotter, the longer; nil stops.
  public static func pause(_ heat: Heat?) -> Duration? {
    switch heat {
    case nil, .nominal: .milliseconds(100)
    case .fair: .seconds(1)
    case .serious: .seconds(5)
    case .critical: nil
    }
  }

  /// Starts the camera, and waits until it is stopped.
  public func start() async {
    guard watching == nil else { return }
    state = .starting
    notice = nil
    let watching = Task { await watch() }
    self.watching = watching
    await withTaskCancellationHandler {
      await watching.value
    } onCancel: {
      watching.cancel()
    }
  }

  /// Stops camera, question and voice: when the screen is left.
  public func stop() {
    watching?.cancel()
    stopAsking()
    speaker.stop()
  }

  /// The picture stands still, to be asked about.
  public func freeze() {
    guard state == .watching, picture != nil else { return }
    state = .frozen
    stopAsking()
  }

  /// Pictures come again.
  public func resume() {
    guard state == .frozen else { return }
    state = .watching
    wake()
  }

  /// Asks about the frozen picture, or the newest; while a question is in flight it is refused.
  public func ask() async {
    guard let picture, !isAsking else { return }
    guard let question else {
      notice = "There is no question yet: write one."
      return
    }
    await ask(picture, question)
  }

  // MARK: Watching

  private func watch() async {
    defer {
      watching = nil
      if state != .off, !isFailed { state = .off }
      picture = nil
    }
    do {
      let frames = try await source.frames()
      try Task.checkCancellation()
      state = .watching
      for await frame in frames {
        if Task.isCancelled { break }
        guard state == .watching else { continue }
        picture = frame
        newest += 1
        wake()
      }
    } catch is CancellationError {
    } catch {
      state = .failed(sentence(of: error))
    }
    stopAsking()
  }

  private var isFailed: Bool { if case .failed = state { true } else { false } }

  /// Asks about the newest picture, if nothing is in flight.
  private func wake() {
    guard mode == .live, state == .watching, asking == nil, newest > asked else { return }
    asking = Task {
      await live()
      asking = nil
    }
  }

  /// One question after the other, as long as there are pictures that nobody asked about.
  private func live() async {
    while mode == .live, state == .watching, newest > asked, !Task.isCancelled {
      asked = newest
      guard let picture, let question else {
        notice = "There is no question yet: write one."
        return
      }
      await ask(picture, question)
      pause = Self.pause(heat())
      guard let pause else {
        notice = "The device is too hot: let it cool down, then start again."
        return
      }
      guard (try? await sleep(pause)) != nil else { return }
    }
  }

  private func stopAsking() {
    asking?.cancel()
    if isAsking, studio.owner == id { studio.stop() }
  }

  private func ask(_ picture: Picture, _ question: String) async {
    isAsking = true
    defer { isAsking = false }
    notice = nil
    let started = now()
    do {
      let state = try await studio.run(.ask(picture, [question], seed: 0), for: id)
      switch state {
      case .finished(.answer(let answer), _):
        said = Said(
          question: question, text: answer.text, picture: picture, took: now() - started)
        if speaks, !Task.isCancelled { await speaker.speak(answer.text) }
      case .failed(let sentence, _): notice = sentence
      default: break
      }
    } catch {
      notice = sentence(of: error)
    }
  }
}
