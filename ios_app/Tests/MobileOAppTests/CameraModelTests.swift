import Foundation
import MobileO
import MobileOApp
import Testing

/// Cameras that a test feeds, each to who started it.
final class ToyCamera: @unchecked Sendable {
  private let lock = NSLock()
  private var continuation: AsyncStream<Picture>.Continuation?
  private var ended = 0
  private var refusals: [Facing: MobileOError] = [:]
  private let both: [Facing]
  private var starts: [Facing] = []
  private var most = 0

  init(_ both: [Facing] = [.back, .front]) { self.both = both }

  /// The cameras that were started, in order.
  var started: [Facing] { lock.withLock { starts } }
  /// The most that ran at a time.
  var mostRunning: Int { lock.withLock { most } }
  /// How often the camera was stopped.
  var stops: Int { lock.withLock { ended } }

  func refuse(_ error: MobileOError?, _ facing: Facing = .back) {
    lock.withLock { refusals[facing] = error }
  }

  var source: CameraSource {
    CameraSource(facings: { [both] in both }) { facing in
      if let refusal = self.lock.withLock({ self.refusals[facing] }) { throw refusal }
      let (stream, continuation) = AsyncStream.makeStream(
        of: Picture.self, bufferingPolicy: .bufferingNewest(1))
      continuation.onTermination = { _ in self.lock.withLock { self.ended += 1 } }
      self.lock.withLock {
        self.continuation = continuation
        self.starts.append(facing)
        self.most = max(self.most, self.starts.count - self.ended)
      }
      return stream
    }
  }

  /// A frame, all of whose pixels are `level`.
  @discardableResult func show(_ level: UInt8) -> Picture {
    let frame = ToyBundle.made(width: 8, height: 8) { _ in level }
    lock.withLock { continuation }?.yield(frame)
    return frame
  }

  func end() { lock.withLock { continuation }?.finish() }
}

/// A camera over the toy, with what is said aloud and how long it rests.
@MainActor struct CameraBench {
  let table: Workbench
  let camera: ToyCamera
  let spoken = Box<[String]>([])
  let hushed = Box(0)
  let heat = Box<Heat?>(.nominal)
  let rests = Box<[Duration]>([])
  let model: CameraModel

  init(_ facings: [Facing] = [.back, .front]) async throws {
    table = try await Workbench()
    camera = ToyCamera(facings)
    let (spoken, hushed, heat, rests) = (spoken, hushed, heat, rests)
    model = CameraModel(
      studio: table.studio, source: camera.source,
      speaker: Speaker(
        speak: { spoken.value.append($0) }, stop: { hushed.value += 1 }),
      heat: { heat.value },
      sleep: { time in
        rests.value.append(time)
        try Task.checkCancellation()
        await Task.yield()
      })
  }

  /// Starts, waits for `body`, and stops.
  func watching(_ body: () async throws -> Void) async rethrows {
    let task = Task { await model.start() }
    await eventually { model.state == .watching }
    try await body()
    model.stop()
    await task.value
    #expect(model.state == .off && !model.isAsking && model.picture == nil)
    await eventually { camera.stops > 0 && !table.studio.state.isBusy }
    await table.studio.memoryWarning()
    #expect(table.engine.open == 0 && table.engine.mostOpen <= 1)
  }
}

@MainActor @Suite struct CameraModelTests {
  @Test func itAnswersAboutWhatItSees() async throws {
    let bench = try await CameraBench()
    let model = bench.model
    #expect(model.state == .off && model.mode == .live)
    await bench.watching {
      let first = bench.camera.show(10)
      await eventually { model.said != nil }
      #expect(model.said?.picture == first && model.said?.text.isEmpty == false)
      #expect(model.said?.question == CameraPreset.describe.question)
      model.preset = .readText
      let second = bench.camera.show(20)
      await eventually { model.said?.picture == second }
      #expect(model.said?.question == CameraPreset.readText.question && model.notice == nil)
      #expect(bench.spoken.value.isEmpty)
    }
    #expect(bench.rests.value.first == .milliseconds(100))
    #expect(bench.hushed.value > 0)
  }

  /// While one question is in flight many pictures come: the next is about the newest of them.
  @Test func theNewestPictureWins() async throws {
    let bench = try await CameraBench()
    let (model, camera) = (bench.model, bench.camera)
    let (prefills, newest) = (Box(0), Box<Picture?>(nil))
    bench.table.engine.onCall { call, _ in
      guard call == "prefill llm" else { return }
      prefills.value += 1
      guard prefills.value == 1 else { return }
      for level in 50..<60 {
        let shown = camera.show(UInt8(level))
        await eventually { model.picture == shown }
        newest.value = shown
      }
    }
    await bench.watching {
      camera.show(10)
      await eventually { model.said?.picture == newest.value && newest.value != nil }
      for _ in 0..<50 { await Task.yield() }
      #expect(prefills.value == 2, "those between are left out")
    }
  }

  @Test func theHotterTheSlower() async throws {
    #expect(CameraModel.pause(nil) == CameraModel.pause(.nominal))
    let pauses = Heat.allCases.map(CameraModel.pause)
    #expect(pauses.last == .some(nil))
    let some = pauses.compactMap(\.self)
    #expect(some.count == 3 && some == some.sorted() && Set(some).count == 3)
    #expect(Heat.nominal < .fair && Heat.serious < .critical)
    let bench = try await CameraBench()
    await bench.watching {
      bench.heat.value = .serious
      bench.camera.show(1)
      await eventually { !bench.rests.value.isEmpty }
      #expect(bench.rests.value == [.seconds(5)] && bench.model.pause == .seconds(5))
      bench.heat.value = .critical
      bench.camera.show(2)
      await eventually { bench.model.notice?.contains("too hot") == true }
      #expect(bench.model.pause == nil)
      // It does not begin again by itself, however many pictures come.
      let said = bench.model.said
      let third = bench.camera.show(3)
      await eventually { bench.model.picture == third && !bench.model.isAsking }
      for _ in 0..<50 { await Task.yield() }
      #expect(bench.model.said == said && bench.model.notice?.contains("too hot") == true)
      bench.heat.value = .nominal
      bench.model.mode = .live
      await eventually { bench.model.said?.picture == third && bench.model.pause != nil }
    }
  }

  @Test func aPhotoIsFrozenAndAskedAbout() async throws {
    let bench = try await CameraBench()
    let model = bench.model
    model.mode = .photo
    model.speaks = true
    await bench.watching {
      model.freeze()
      #expect(model.state == .watching, "there is no picture yet")
      let first = bench.camera.show(10)
      await eventually { model.picture == first }
      #expect(!model.isAsking && model.said == nil, "nobody asked")
      model.freeze()
      #expect(model.state == .frozen)
      bench.camera.show(20)
      for _ in 0..<20 { await Task.yield() }
      #expect(model.picture == first, "it stands still")
      model.preset = .custom
      await model.ask()
      #expect(model.notice?.contains("write one") == true && model.said == nil)
      model.customQuestion = "what is it?"
      await model.ask()
      #expect(model.said?.question == "what is it?" && model.said?.picture == first)
      #expect(bench.spoken.value == [model.said?.text ?? "-"] && model.notice == nil)
      model.resume()
      let third = bench.camera.show(30)
      await eventually { model.picture == third && model.state == .watching }
      // Live again: it asks by itself.
      model.mode = .live
      await eventually { model.said?.picture == third }
    }
    model.speaks = false
    #expect(model.question == "what is it?")
  }

  /// Stopped, or left, while each call of a question is in flight.
  @Test func itStopsAtEveryCall() async throws {
    let whole = try await CameraBench()
    await whole.watching {
      whole.camera.show(1)
      await eventually { whole.model.said != nil }
    }
    let count = whole.table.engine.calls.count - 1
    #expect(count > 10)
    for leaves in [false, true] {
      for number in 0..<count {
        let bench = try await CameraBench()
        let (model, studio, engine) = (bench.model, bench.table.studio, bench.table.engine)
        engine.onCall { _, now in
          guard now == number else { return }
          await MainActor.run {
            if leaves { studio.sceneChanged(isActive: false) } else { model.stop() }
          }
        }
        let task = Task { await model.start() }
        await eventually { model.state == .watching }
        bench.camera.show(1)
        await eventually { engine.calls.count > number && !studio.state.isBusy && !model.isAsking }
        if leaves { model.stop() }
        await task.value
        await studio.memoryWarning()
        let after = engine.calls.dropFirst(number + 1)
        #expect(after.allSatisfy { $0.hasPrefix("close") }, "\(number): \(after)")
        #expect(engine.open == 0 && model.state == .off)
        // And it starts again.
        engine.onCall(nil)
        studio.sceneChanged(isActive: true)
        await bench.watching {
          let shown = bench.camera.show(2)
          await eventually { model.said?.picture == shown }
        }
      }
    }
  }

  @Test func whatKeepsItFromStartingIsSaid() async throws {
    let bench = try await CameraBench()
    bench.camera.refuse(MobileOError(.usage, "The camera may not be used: allow it in Settings."))
    await bench.model.start()
    #expect(
      bench.model.state == .failed("The camera may not be used: allow it in Settings."))
    bench.camera.refuse(nil)
    await bench.watching {
      bench.camera.show(1)
      await eventually { bench.model.said != nil }
    }
    // A camera that ends by itself.
    let task = Task { await bench.model.start() }
    await eventually { bench.model.state == .watching }
    bench.camera.end()
    await task.value
    #expect(bench.model.state == .off)
  }

  @Test func whatFailsIsSaidAndItGoesOn() async throws {
    let bench = try await CameraBench()
    bench.table.engine.onCall { call, _ in
      if call == "run vision_encoder" { throw MobileOError(.memory, "no room") }
    }
    await bench.watching {
      bench.camera.show(1)
      await eventually { bench.model.notice == "no room" }
      bench.table.engine.onCall(nil)
      bench.camera.show(2)
      await eventually { bench.model.said != nil && bench.model.notice == nil }
    }
  }

  /// What is made elsewhere is not disturbed, and keeps the camera waiting with a word.
  @Test func anotherRunComesFirst() async throws {
    let bench = try await CameraBench()
    let model = bench.model
    bench.table.engine.onCall { call, _ in
      guard call == "run mcp" else { return }
      await MainActor.run { _ = bench.camera.show(1) }
      await eventually { model.notice?.contains("being made") == true && !model.isAsking }
      await MainActor.run {
        model.freeze()
        #expect(model.text == nil)
      }
    }
    await bench.watching {
      let state = try? await bench.table.studio.run(
        .draw("a", Request.Look(steps: 2, guidance: 1.5), seed: 1))
      guard case .finished? = state else {
        Issue.record("\(String(describing: state))")
        return
      }
    }
  }
}
