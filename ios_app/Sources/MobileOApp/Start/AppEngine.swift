import Foundation
import MobileO

/// What the settings ask of an engine.
public struct EngineOptions: Sendable, Equatable {
  /// By component, where it is not what the manifest says.
  public let computeUnits: [String: AppSettings.ComputeUnits]
  /// What becomes of a component that has run.
  public let memory: MemoryPlan.Policy
  /// Whether the language model may compute with reduced precision where that is faster.
  public let allowsReducedPrecision: Bool
  /// What Core AI may run on; nil where it is off.
  public let coreAI: CoreAIUnits?

  /// Those of settings at their defaults.
  static let standard = EngineOptions(AppSettings())

  /// Those of `settings`.
  public init(_ settings: AppSettings) {
    computeUnits = settings.computeUnits
    memory = settings.memory
    allowsReducedPrecision = settings.allowsReducedPrecision
    coreAI = settings.coreAI
  }
}

/// An engine as the app holds it: what runs a bundle's components, and how it is made ready and emptied.
public struct AppEngine: Sendable {
  /// Runs the components.
  public let engine: any Engine
  /// What the report of a benchmark calls it.
  public let runtime: String
  /// Those that ``prepare`` takes, in the order in which they are to be prepared.
  public let components: [String]
  /// Compiles a component and has the system specialize it, so that its next load is short.
  public let prepare: @Sendable (_ component: String) async throws -> Void
  /// Unloads everything that no call is in flight of: when memory runs low, and before another engine.
  public let release: @Sendable () async -> Void

  /// An engine that is prepared by a first load of each of `components`, where nothing else is given.
  public init(
    _ engine: any Engine, runtime: String, components: [String] = [],
    prepare: (@Sendable (_ component: String) async throws -> Void)? = nil,
    release: @escaping @Sendable () async -> Void = {}
  ) {
    self.engine = engine
    self.runtime = runtime
    self.components = components
    self.prepare =
      prepare ?? { component in
        let session: any Session =
          component == "llm"
          ? try await engine.languageModel() : try await engine.session(component)
        await session.close()
      }
    self.release = release
  }
}

/// Makes the engine of a bundle: Core ML and MLX on a device, a server, a recorded trace.
public struct EngineFactory: Sendable {
  /// An engine for the bundle in a folder. What cannot be had is a ``MobileOError``.
  public let make:
    @Sendable (_ bundle: URL, _ manifest: Manifest, _ options: EngineOptions) async throws ->
      AppEngine

  /// A factory of one's own.
  public init(
    _ make: @escaping @Sendable (URL, Manifest, EngineOptions) async throws -> AppEngine
  ) {
    self.make = make
  }
}
