import Foundation
import MobileO
import MobileOApp
import MobileOHost

extension EngineFactory {
  /// Components on `mobileo-export serve`, at an address of this machine.
  static func host(address: String, token: String?) -> EngineFactory {
    EngineFactory { bundle, _, _ in
      let engine = try await HostEngine(
        HostAddress(address, token: token), bundle: bundle, keepsComponents: true)
      return AppEngine(engine, runtime: "host", release: { await engine.close() })
    }
  }

  /// What the bundle's golden trace recorded.
  static let replay = EngineFactory { bundle, manifest, _ in
    let trace = try GoldenTrace(folder: bundle.path, manifest: manifest)
    return AppEngine(RecordedEngine(trace: trace), runtime: "replay")
  }
}
