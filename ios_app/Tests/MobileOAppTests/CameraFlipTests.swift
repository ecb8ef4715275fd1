import Foundation
import MobileO
import MobileOApp
import Testing

/// Front and back: which camera is used, in every state, at every call of a question.
@MainActor @Suite struct CameraFlipTests {
  @Test func theOtherCameraIsStarted() async throws {
    let bench = try await CameraBench()
    let (model, camera) = (bench.model, bench.camera)
    #expect(model.facing == .back && model.hasBothFacings && model.canFlip)
    await bench.watching {
      #expect(camera.started == [.back])
      let first = camera.show(10)
      await eventually { model.said?.picture == first }
      model.flip()
      #expect(model.facing == .front && model.state == .starting && model.picture == nil)
      model.flip()
      #expect(model.facing == .front && !model.canFlip, "one start at a time")
      await eventually { model.state == .watching }
      #expect(camera.started == [.back, .front] && camera.stops == 1 && camera.mostRunning == 1)
      let second = camera.show(20)
      await eventually { model.said?.picture == second }
      #expect(model.notice == nil)
      // A picture that stands still is let go.
      model.freeze()
      model.flip()
      #expect(model.facing == .back && model.picture == nil)
      await eventually { model.state == .watching && camera.started.count == 3 }
    }
    // Off, the next start takes it.
    model.flip()
    #expect(model.facing == .front && model.state == .off && camera.started.count == 3)
    await bench.watching { #expect(camera.started.last == .front) }
    #expect(camera.mostRunning == 1 && camera.stops == 4)
  }

  @Test func aCameraThatCannotBeHadIsLeft() async throws {
    let bench = try await CameraBench()
    let (model, camera) = (bench.model, bench.camera)
    camera.refuse(MobileOError(.usage, "no front camera"), .front)
    let task = Task { await model.start() }
    await eventually { model.state == .watching }
    model.flip()
    await task.value
    #expect(model.state == .failed("no front camera") && model.facing == .front && model.canFlip)
    model.flip()
    #expect(model.state == .off && model.facing == .back)
    await bench.watching { #expect(camera.started == [.back, .back]) }
  }

  @Test(arguments: [[], [Facing.back], [.front]]) func oneCameraIsNotFlipped(
    _ facings: [Facing]
  ) async throws {
    let bench = try await CameraBench(facings)
    let model = bench.model
    #expect(!model.hasBothFacings && !model.canFlip)
    await bench.watching {
      model.flip()
      #expect(model.facing == .back && model.state == .watching)
    }
    #expect(bench.camera.started == [.back])
  }

  /// The picture of a question that the user asked has to stay.
  @Test func aQuestionOfTheUserIsNotDisturbed() async throws {
    let bench = try await CameraBench()
    let model = bench.model
    model.mode = .photo
    bench.table.engine.onCall { call, _ in
      guard call == "prefill llm" else { return }
      await MainActor.run {
        #expect(!model.canFlip)
        model.flip()
      }
    }
    await bench.watching {
      let shown = bench.camera.show(10)
      await eventually { model.picture == shown }
      await model.ask()
      #expect(model.said?.picture == shown && model.facing == .back && model.canFlip)
      #expect(model.state == .watching && bench.camera.started == [.back])
      model.flip()
      await eventually { model.state == .watching && model.facing == .front }
    }
  }

  /// Flipped, and flipped and stopped, while each call of a live question is in flight: the other camera
  /// starts when the question has ended, and is asked about.
  @Test(arguments: [false, true]) func itFlipsAtEveryCall(_ stops: Bool) async throws {
    let whole = try await CameraBench()
    await whole.watching {
      whole.camera.show(1)
      await eventually { whole.model.said != nil }
    }
    let count = whole.table.engine.calls.count - 1
    #expect(count > 10)
    for number in 0..<count {
      let bench = try await CameraBench()
      let (model, camera, engine) = (bench.model, bench.camera, bench.table.engine)
      engine.onCall { _, now in
        guard now == number else { return }
        await MainActor.run {
          model.flip()
          #expect(model.facing == .front && model.isAsking && camera.started == [.back])
          if stops { model.stop() }
        }
      }
      let task = Task { await model.start() }
      await eventually { model.state == .watching }
      camera.show(1)
      if stops {
        await task.value
        #expect(model.state == .off && camera.started == [.back], "\(number)")
      } else {
        await eventually { model.state == .watching && camera.started == [.back, .front] }
        #expect(!model.isAsking, "\(number): one question at a time")
        let calls = engine.calls.dropFirst(number + 1)
        #expect(calls.allSatisfy { $0.hasPrefix("close") }, "\(number): \(calls)")
        let shown = camera.show(2)
        await eventually { model.said?.picture == shown }
        model.stop()
        await task.value
      }
      await eventually { !bench.table.studio.state.isBusy && !model.isAsking }
      #expect(camera.mostRunning == 1 && model.state == .off && model.picture == nil, "\(number)")
      await bench.table.studio.memoryWarning()
      #expect(engine.open == 0 && engine.mostOpen <= 1, "\(number)")
    }
  }
}
