import Foundation
import MobileO

// Package.swift says so on a Mac, where the engine of devices is part of this program.
#if DEVICE_ENGINE
  import MobileOEngine
#endif

/// Components on Core ML and MLX, where this program is built with them.
enum OnDevice {
  #if DEVICE_ENGINE
    static let options = [
      Arguments.Option("--device", help: "Run the components here, on Core ML and MLX.")
    ]
    static let elsewhere: [String: String] = [:]

    /// Runs `body` with the bundle in a folder; compiled models stay in the user's caches.
    static func run<Result: Sendable>(
      _ bundle: String, _ body: @escaping @Sendable (any Engine) async throws -> Result
    ) async throws -> Result {
      let caches = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first
      let store = (caches ?? FileManager.default.temporaryDirectory)
        .appendingPathComponent("mobileo")
      let gate = CallGate()
      gate.scene(isActive: true)
      let engine = try DeviceEngine(
        bundle: URL(fileURLWithPath: bundle), store: store, gate: gate)
      return try await Signals.cancelling {
        do {
          let result = try await body(engine)
          await engine.closeAll()
          return result
        } catch {
          await engine.closeAll()
          throw error
        }
      }
    }
  #else
    static let options: [Arguments.Option] = []
    static let elsewhere = [
      "--device":
        "runs components on Core ML and MLX, and this program is built without them; use the app's "
        + "self-test, or --host of mobileo-export serve"
    ]

    static func run<Result: Sendable>(
      _ bundle: String, _ body: @escaping @Sendable (any Engine) async throws -> Result
    ) async throws -> Result {
      throw MobileOError(.usage, "--device \(elsewhere["--device"] ?? "")")
    }
  #endif
}
