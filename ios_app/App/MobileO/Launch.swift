import Foundation
import MobileO
import MobileOApp

/// What the app was launched with. A user gives nothing; the UI tests and developers do:
///
///     --engine device|host|replay   what runs the components: device, in the Simulator host
///     --host 127.0.0.1:8017         where `mobileo-export serve` listens; its token in MOBILEO_TOKEN
///     --root FOLDER                 where the app keeps its things
struct Launch: Sendable {
  /// What runs the components.
  enum Runner: String, Sendable, CaseIterable {
    /// Core ML, MLX and Core AI.
    case device
    /// `mobileo-export serve` on this machine: the Simulator has no MLX.
    case host
    /// The bundle's golden trace, which answers what was recorded and nothing else.
    case replay
  }

  private let arguments: [String]
  private let environment: [String: String]

  init(arguments: [String], environment: [String: String]) {
    self.arguments = arguments
    self.environment = environment
  }

  /// What runs the components; where nobody says, the device, and in the Simulator the server.
  var runner: Runner { value(of: "--engine").flatMap(Runner.init(rawValue:)) ?? Self.standard }

  #if targetEnvironment(simulator)
    private static let standard = Runner.host
  #else
    private static let standard = Runner.device
  #endif

  /// Where the app keeps its things.
  var root: URL {
    if let folder = value(of: "--root") { return URL(fileURLWithPath: folder) }
    let support = FileManager.default.urls(for: .applicationSupportDirectory, in: .userDomainMask)
    return (support.first ?? FileManager.default.temporaryDirectory)
      .appendingPathComponent("mobileo")
  }

  /// The bundle inside the app, which `make app-bundle` puts there; nil in an app that was built
  /// without.
  var embedded: URL? {
    guard let folder = Bundle.main.resourceURL?.appendingPathComponent("miniature"),
      FileManager.default.fileExists(atPath: folder.path)
    else { return nil }
    return folder
  }

  /// Makes the engine of a bundle.
  func factory(gate: CallGate, compiled: URL) -> EngineFactory {
    switch runner {
    case .device: .device(gate: gate, compiled: compiled)
    case .host:
      .host(address: value(of: "--host") ?? "127.0.0.1:8017", token: environment["MOBILEO_TOKEN"])
    case .replay: .replay
    }
  }

  private func value(of option: String) -> String? {
    guard let place = arguments.firstIndex(of: option), place + 1 < arguments.count else {
      return nil
    }
    return arguments[place + 1]
  }
}
