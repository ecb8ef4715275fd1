import Foundation
import MobileO
import MobileOApp
import MobileOEngine

extension EngineFactory {
  /// Core ML, MLX and where the user chose it Core AI, on this device.
  static func device(gate: CallGate, compiled: URL) -> EngineFactory {
    EngineFactory { bundle, manifest, options in
      let engine = try DeviceEngine(
        bundle: bundle, store: compiled, settings: DeviceSettings(options), gate: gate)
      let components = DeviceEngine.preparedComponents(of: manifest)
      return AppEngine(
        engine, runtime: "device", components: components,
        prepare: { component in
          let session: any Session =
            component == "llm"
            ? try await engine.languageModel() : try await engine.session(component)
          await session.close()
          await engine.dropIdle()
        }, release: { await engine.dropIdle() })
    }
  }
}

extension DeviceSettings {
  /// What the user chose.
  fileprivate init(_ options: EngineOptions) {
    self.init(
      computeUnits: options.computeUnits, memory: options.memory,
      allowsReducedPrecision: options.allowsReducedPrecision, coreAI: options.coreAI)
  }
}
