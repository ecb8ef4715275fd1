import Foundation
import MobileO
import MobileOEngine
import Testing

/// A bundle with a golden trace, on a Mac: none on Linux, where stand-ins compile this and nothing runs.
private let bundleOfAMac: URL? = {
  #if canImport(Darwin)
    return ProcessInfo.processInfo.environment["MOBILEO_BUNDLE"].map(URL.init(fileURLWithPath:))
  #else
    return nil
  #endif
}()

/// Core ML and MLX themselves.
@Suite(.serialized, .enabled(if: bundleOfAMac != nil, "needs a Mac and MOBILEO_BUNDLE"))
struct OnDeviceTests {
  private let store = FileManager.default.temporaryDirectory
    .appendingPathComponent("mobileo-\(UUID().uuidString)")

  private func engine(_ bundle: URL) throws -> DeviceEngine {
    let gate = CallGate()
    gate.scene(isActive: true)
    return try DeviceEngine(bundle: bundle, store: store, gate: gate)
  }

  @Test func itComputesWhatWasRecorded() async throws {
    defer { try? FileManager.default.removeItem(at: store) }
    let bundle = try #require(bundleOfAMac)
    var report: SelfTestReport?
    for try await event in SelfTest(bundle: bundle, engine: try engine(bundle)).run() {
      if case .report(let found) = event { report = found }
    }
    let found = try #require(report)
    #expect(found.passed, "\(found.failures.joined(separator: "\n"))")
  }

  @Test func aPictureIsDrawnTwiceWithTheSameBytes() async throws {
    defer { try? FileManager.default.removeItem(at: store) }
    let bundle = try #require(bundleOfAMac)
    let model = try await MobileO(bundle: bundle, engine: try engine(bundle))
    var pictures: [Picture] = []
    for _ in 0..<2 {
      for try await event in model.generate("three red circles", seed: 7) {
        if case .picture(let drawn) = event { pictures.append(drawn.picture) }
      }
    }
    #expect(pictures.count == 2 && pictures.first == pictures.last)
  }
}
