import Foundation
import MobileO

// Package.swift says so on a Mac, where the engine of devices is part of this program.
#if DEVICE_ENGINE
  import MobileOEngine
#endif

/// Components on Core ML, MLX and Core AI, where this program is built with them.
enum OnDevice {
  #if DEVICE_ENGINE
    static let options = [
      Arguments.Option("--device", help: "Run the components here, on Core ML and MLX."),
      Arguments.Option(
        "--core-ai", value: "UNITS",
        help: "With --device: run what a bundle has for Core AI too, on all or cpu_only."),
    ]
    static let elsewhere: [String: String] = [:]

    /// Runs `body` with the bundle in a folder; compiled models stay in the user's caches.
    static func run<Result: Sendable>(
      _ bundle: String, _ arguments: Arguments,
      _ body: @escaping @Sendable (any Engine) async throws -> Result
    ) async throws -> Result {
      var settings = DeviceSettings()
      if let text = arguments.value("--core-ai") {
        guard let units = CoreAIUnits(rawValue: text) else {
          throw MobileOError(.usage, "--core-ai \(text): give all or cpu_only")
        }
        settings.coreAI = units
      }
      let caches = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first
      let store = (caches ?? FileManager.default.temporaryDirectory)
        .appendingPathComponent("mobileo")
      let gate = CallGate()
      gate.scene(isActive: true)
      let engine = try DeviceEngine(
        bundle: URL(fileURLWithPath: bundle), store: store, settings: settings, gate: gate)
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
        + "self-test, or --host of mobileo-export serve",
      "--core-ai": "goes with --device, and this program is built without it",
    ]

    static func run<Result: Sendable>(
      _ bundle: String, _ arguments: Arguments,
      _ body: @escaping @Sendable (any Engine) async throws -> Result
    ) async throws -> Result {
      throw MobileOError(.usage, "--device \(elsewhere["--device"] ?? "")")
    }
  #endif
}
