import Foundation
import MobileO

/// Runs a bundle on this device, each component on what its artifact is for, Core ML, MLX or, where
/// ``DeviceSettings/coreAI`` has it, Core AI, and as many of them in memory as there is room for.
///
///     let engine = try DeviceEngine(bundle: url, store: support, gate: gate)
///     let model = try await MobileO(bundle: url, engine: engine)
///
/// Nothing begins unless the gate is open: see ``MobileO/CallGate``. When the system warns of memory,
/// what is not running is dropped at once.
public final class DeviceEngine: Engine {
  /// Makes a component of the folder of its artifact for MLX.
  public typealias ComponentMaker =
    @Sendable (
      _ component: String, _ folder: URL, _ manifest: Manifest, _ allowsReducedPrecision: Bool
    ) async throws -> any Session
  /// Makes the language model of the folder of its artifact.
  public typealias LanguageModelMaker =
    @Sendable (
      _ folder: URL, _ manifest: Manifest, _ allowsReducedPrecision: Bool
    ) async throws -> any LanguageModelSession

  /// What the bundle says of itself.
  public let manifest: Manifest
  /// Its compiled models.
  public let store: CompiledStore

  private let planned: PlannedEngine
  private let loader: ComponentLoader
  private let runtime: any CoreMLRuntime
  private let gate: CallGate
  private let coreAI: CoreAIUnits?
  private let warnings: Task<Void, Never>

  /// An engine for the bundle in a folder; nothing is loaded by that.
  ///
  /// - Parameters:
  ///   - store: where compiled models lie, of all bundles.
  ///   - settings: what the user chose.
  ///   - gate: the same that the app's models have.
  ///   - footprints: of all components, where they were measured; else ``Footprint/of(_:activations:)``.
  ///   - patience: how long a load waits for memory that was given back, which the Neural Engine returns
  ///     late.
  ///   - report: told what the engine does on its own, from any thread.
  ///   - coreAI: Core AI, asked for when a component needs it; the system's.
  ///   - component: makes a component that is for MLX; MLX does.
  ///   - languageModel: makes the language model; likewise.
  /// - Throws: ``MobileOError`` of kind `bundle`: the manifest cannot be read; of kind `usage`: a
  ///   setting names a component that Core ML does not run.
  public init(
    bundle: URL, store: URL, runtime: any CoreMLRuntime = SystemCoreML(),
    system: DeviceSystem = .current,
    settings: DeviceSettings = DeviceSettings(), gate: CallGate,
    footprints: [String: Footprint]? = nil, patience: Duration = .seconds(3),
    disk: StoreDisk = .real,
    now: @escaping @Sendable () -> Duration = CompiledStore.clock,
    report: @escaping @Sendable (DeviceEvent) -> Void = { _ in },
    coreAI: @escaping @Sendable () throws -> any CoreAIRuntime = { try SystemCoreAI.runtime() },
    component: @escaping ComponentMaker = {
      try await MLXComponent.load($0, folder: $1, manifest: $2, allowsReducedPrecision: $3)
    },
    languageModel: @escaping LanguageModelMaker = {
      try await MLXLanguageModel.load(folder: $0, manifest: $1, allowsReducedPrecision: $2)
    }
  ) throws {
    let manifest = try Manifest(folder: bundle.path)
    if let name = settings.computeUnits.keys.sorted().first(where: {
      !Self.coreMLComponents.contains($0)
    }) {
      throw MobileOError(.usage, "compute units of '\(name)': no component that Core ML runs")
    }
    self.manifest = manifest
    self.runtime = runtime
    self.gate = gate
    self.coreAI = settings.coreAI
    self.store = CompiledStore(
      folder: store, bundle: bundle, manifest: manifest, runtime: runtime, disk: disk, now: now)
    let assets = AssetLoader(
      bundle: bundle, manifest: manifest, units: settings.coreAI, system: system, runtime: coreAI)
    loader = ComponentLoader(
      store: self.store, assets: assets, runtime: runtime, settings: settings, gate: gate,
      system: system,
      makeComponent: component, makeLanguageModel: languageModel, report: report, now: now)
    let planned = PlannedEngine(
      GatedEngine(loader, gate: gate), footprints ?? Footprint.of(manifest),
      policy: settings.memory, patience: patience
    ) { system.headroom() - settings.reserve }
    self.planned = planned
    let warned = system.memoryWarnings()
    warnings = Task {
      for await _ in warned {
        let before = await planned.loaded
        await planned.dropIdle()
        report(.dropped(before.subtracting(await planned.loaded)))
      }
    }
  }

  deinit { warnings.cancel() }

  /// The components that Core ML can run, in the order of a pipeline.
  public static let coreMLComponents = PipelineTask.edit(guided: true).components.filter {
    $0 != "llm"
  }

  /// Those of them that this bundle has for Core ML, which compiles them before their first use.
  public static func coreMLComponents(of manifest: Manifest) -> [String] {
    coreMLComponents.filter { manifest.components[$0]?.onDevice?.kind == "mlpackage" }
  }

  /// Those of a bundle that a first load prepares, which takes its time, in the order of a pipeline: what
  /// Core ML compiles, and what Core AI specializes.
  public static func preparedComponents(of manifest: Manifest) -> [String] {
    PipelineTask.edit(guided: true).components.filter { name in
      ["mlpackage", "aimodel"].contains(manifest.components[name]?.onDevice?.kind)
    }
  }

  /// Core ML or Core AI with the compute units that they are asked for first, or MLX.
  public func runtime(of component: String) async throws -> ComponentRuntime {
    let name =
      switch try manifest.component(component).onDevice?.kind {
      case "mlx": "mlx"
      case "aimodel": "coreai \(coreAI?.rawValue ?? "off")"
      default: "coreml \(try loader.options(component).units.rawValue)"
      }
    return ComponentRuntime(name, .device)
  }

  /// What is loaded now.
  public var loaded: Set<String> { get async { await planned.loaded } }

  /// Plans for `task`: what does not fit is refused before anything is loaded.
  public func prepare(for task: PipelineTask) async throws {
    try gate.pass()
    try await planned.prepare(for: task)
  }

  /// A component, kept from before or loaded now.
  public func session(_ component: String) async throws -> any Session {
    try await planned.session(component)
  }

  /// The language model, kept from before or loaded now.
  public func languageModel() async throws -> any LanguageModelSession {
    try await planned.languageModel()
  }

  /// Drops all that is not running, and waits for nobody.
  public func dropIdle() async { await planned.dropIdle() }

  /// Drops everything, once what is running has ended.
  public func closeAll() async { await planned.closeAll() }

  /// Prepares what Core ML and Core AI run one by one, so that the first picture need not wait for that:
  /// each is compiled or specialized unless it is, loaded once, and dropped. MLX prepares nothing.
  ///
  /// What is done stays done when the stream is given up.
  public func prewarm() -> AsyncThrowingStream<PrewarmEvent, any Error> {
    events { [self] emit in
      let names = Self.preparedComponents(of: manifest)
      for (index, name) in names.enumerated() {
        try Task.checkCancellation()
        let before = await store.models[name]
        emit(
          .began(
            name, index + 1, of: names.count,
            lastSeconds: before.flatMap { $0.coldLoadSeconds ?? $0.warmLoadSeconds }))
        let session: any Session =
          name == "llm" ? try await planned.languageModel() : try await planned.session(name)
        await session.close()
        await planned.dropIdle()
        emit(.ready(name, await store.models[name]))
      }
    }
  }

  /// Where the operations of each component that Core ML runs are expected to run.
  ///
  /// - Throws: ``MobileOError``: a component cannot be compiled, or Core ML makes no plan of it.
  public func computePlan() async throws -> [String: ComputePlanSummary] {
    var found: [String: ComputePlanSummary] = [:]
    for name in Self.coreMLComponents(of: manifest) {
      try gate.pass()
      let place = try await store.compiled(name)
      do {
        found[name] = ComputePlanSummary(
          try await runtime.plan(place, loader.options(name)))
      } catch let error where error is MobileOError || error is CancellationError {
        throw error
      } catch {
        throw MobileOError(.session, "\(name): Core ML makes no plan of it (\(reason(error)))")
      }
    }
    return found
  }
}

/// What happens while components are prepared, in order.
public enum PrewarmEvent: Sendable, Equatable {
  /// A component's turn, and how long loading it took the last time, in seconds.
  case began(String, Int, of: Int, lastSeconds: Double?)
  /// It was loaded; what is known of a model that was compiled, nil of one that was specialized.
  case ready(String, InstalledModels.Model?)
}
