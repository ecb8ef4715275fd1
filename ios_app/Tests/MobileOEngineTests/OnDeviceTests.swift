import Foundation
import MobileO
import MobileOEngine
import Testing

/// Core ML and MLX themselves, where there are any: on a Mac with `MOBILEO_BUNDLE`, a bundle with a
/// golden trace. On Linux stand-ins compile this, and nothing runs.
@Suite(.serialized, .enabled(if: OnDeviceTests.bundle != nil, "needs a Mac and MOBILEO_BUNDLE"))
struct OnDeviceTests {
  static let bundle: URL? = {
    #if canImport(Darwin)
      return ProcessInfo.processInfo.environment["MOBILEO_BUNDLE"].map(URL.init(fileURLWithPath:))
    #else
      return nil
    #endif
  }()

  private let store = FileManager.default.temporaryDirectory
    .appendingPathComponent("mobileo-\(UUID().uuidString)")

  private func engine(_ bundle: URL) throws -> DeviceEngine {
    let gate = CallGate()
    gate.scene(isActive: true)
    return try DeviceEngine(bundle: bundle, store: store, gate: gate)
  }

  @Test func itComputesWhatWasRecorded() async throws {
    defer { try? FileManager.default.removeItem(at: store) }
    let bundle = try #require(Self.bundle)
    var report: SelfTestReport?
    for try await event in SelfTest(bundle: bundle, engine: try engine(bundle)).run() {
      if case .report(let found) = event { report = found }
    }
    let found = try #require(report)
    #expect(found.passed, "\(found.failures.joined(separator: "\n"))")
  }

  @Test func aPictureIsDrawnTwiceWithTheSameBytes() async throws {
    defer { try? FileManager.default.removeItem(at: store) }
    let bundle = try #require(Self.bundle)
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
