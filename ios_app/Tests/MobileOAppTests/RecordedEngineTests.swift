import Foundation
import MobileO
import Testing

import MobileOApp

/// A user interface without a model: the recorded runs, again and again.
@MainActor @Suite struct RecordedEngineTests {
  /// A recorded bundle of the miniature.
  nonisolated private static let bundle: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    let folder =
      ProcessInfo.processInfo.environment["MOBILEO_BUNDLE"] ?? root + "/build/swift/bundle"
    let isThere = FileManager.default.fileExists(atPath: folder + "/golden/index.json")
    return isThere ? folder : nil
  }()
  nonisolated private static let noBundle: Comment =
    "no recorded bundle here: make test-swift makes one where there is a Python with mobileo_export"

  private func studio(_ folder: String) async throws -> (Studio, GoldenTrace) {
    let trace = try GoldenTrace(folder: folder, manifest: Manifest(folder: folder))
    let beacon = Beacon(path: "beacon", disk: MemoryDisk().disk)
    let studio = try await Studio(
      bundle: URL(fileURLWithPath: folder), engine: RecordedEngine(trace: trace), beacon: beacon)
    studio.sceneChanged(isActive: true)
    return (studio, trace)
  }

  private func job(_ text: String, _ trace: GoldenTrace) throws -> Job {
    let how = try #require(trace.drawing(of: "generate"))
    return .draw(
      text, Request.Look(steps: how.steps, guidance: how.guidance), seed: how.seed)
  }

  @Test(.enabled(if: bundle != nil, noBundle)) func aRecordedDrawingIsDrawnTwice() async throws {
    let (studio, trace) = try await studio(try #require(Self.bundle))
    let job = try job(trace.text(of: "generate"), trace)
    let first = try await studio.run(job)
    guard case .finished(.picture(let picture), _) = first else {
      Issue.record("\(first)")
      return
    }
    let second = try await studio.run(job)
    guard case .finished(.picture(let again), _) = second else {
      Issue.record("\(second)")
      return
    }
    #expect(picture.picture == again.picture)
  }

  @Test(.enabled(if: bundle != nil, noBundle)) func whatWasNotRecordedIsNamed() async throws {
    let (studio, trace) = try await studio(try #require(Self.bundle))
    let state = try await studio.run(try job("something else", trace))
    guard case .failed(let sentence, _) = state else {
      Issue.record("\(state)")
      return
    }
    #expect(sentence.hasPrefix("generate, llm: input input_ids: is"), "\(sentence)")
    // What was recorded is still there.
    let after = try await studio.run(try job(trace.text(of: "generate"), trace))
    guard case .finished = after else {
      Issue.record("\(after)")
      return
    }
  }

  @Test(.enabled(if: bundle != nil, noBundle)) func nothingRunsUnprepared() async throws {
    let folder = try #require(Self.bundle)
    let trace = try GoldenTrace(folder: folder, manifest: Manifest(folder: folder))
    let engine = RecordedEngine(trace: trace)
    await #expect(throws: MobileOError.self) { try await engine.session("dit") }
    await #expect(throws: MobileOError.self) { try await engine.languageModel() }
    #expect(trace.drawing(of: "ask") == nil && trace.drawing(of: "nothing") == nil)
  }
}
