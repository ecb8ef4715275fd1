import Foundation
import MobileO
import Observation

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
    didSet { if mode == .live { wakeAnew() } }
  }
  /// The camera that is used, or will be at the next start.
  public private(set) var facing = Facing.back
  /// Whether the device has a camera on either side.
  public let hasBothFacings: Bool
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
  /// Reads the pictures of one camera.
  @ObservationIgnored private var reading: Task<Void, any Error>?
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
    hasBothFacings = Set(source.facings()).count > 1
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
    pause = .zero
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
    wakeAnew()
  }

  /// Whether ``flip()`` does something now: not while a camera starts, nor while a question that the
  /// user asked is in flight, whose picture has to stay.
  public var canFlip: Bool {
    hasBothFacings && state != .starting && !(isAsking && asking == nil)
  }

  /// Looks through the other camera.
  ///
  /// Where one runs, it is stopped, a frozen picture is let go, and a question that was asked by itself is
  /// stopped; the other camera starts when that has ended. Where none runs, the next start takes it.
  public func flip() {
    guard canFlip else { return }
    facing = facing.other
    guard watching != nil else {
      state = .off
      return
    }
    state = .starting
    picture = nil
    asked = newest
    reading?.cancel()
    stopAsking()
    speaker.stop()
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
    var used: Facing
    repeat {
      used = facing
      do {
        let reading = Task { [used] in try await read(used) }
        self.reading = reading
        try await withTaskCancellationHandler {
          try await reading.value
        } onCancel: {
          reading.cancel()
        }
      } catch is CancellationError {
      } catch {
        state = .failed(sentence(of: error))
      }
      stopAsking()
      if used != facing { await asking?.value }
    } while used != facing && !Task.isCancelled
  }

  /// The pictures of one camera, until it ends or this task does.
  private func read(_ facing: Facing) async throws {
    let frames = try await source.frames(facing)
    try Task.checkCancellation()
    state = .watching
    for await frame in frames {
      if Task.isCancelled { break }
      guard state == .watching else { continue }
      picture = frame
      newest += 1
      wake()
    }
  }

  private var isFailed: Bool { if case .failed = state { true } else { false } }

  /// Asks about the newest picture, if nothing is in flight and it is not too hot.
  private func wake() {
    guard mode == .live, state == .watching, pause != nil, asking == nil, newest > asked else {
      return
    }
    asking = Task {
      await live()
      asking = nil
    }
  }

  /// The same where it had become too hot before.
  private func wakeAnew() {
    if pause == nil { pause = .zero }
    wake()
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
