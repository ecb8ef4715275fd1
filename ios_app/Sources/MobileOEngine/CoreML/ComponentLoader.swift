import Foundation
import MobileO

/// Loads components on what their artifacts are for: Core ML's packages from the store, MLX's folders by
/// whoever makes models of them, Core AI's assets by ``AssetLoader``.
struct ComponentLoader: Engine {
  let store: CompiledStore
  let assets: AssetLoader
  let runtime: any CoreMLRuntime
  let settings: DeviceSettings
  let gate: CallGate
  let system: DeviceSystem
  let makeComponent: DeviceEngine.ComponentMaker
  let makeLanguageModel: DeviceEngine.LanguageModelMaker
  let report: @Sendable (DeviceEvent) -> Void
  let now: @Sendable () -> Duration

  func session(_ component: String) async throws -> any Session {
    if let asset = try artifact(component, "aimodel") {
      return try await timed(component) { try await assets.session(component, asset) }
    }
    if let folder = try folder(component) {
      return try await timed(component) {
        try await makeComponent(
          component, folder, store.manifest, settings.allowsReducedPrecision)
      }
    }
    let place = try await store.compiled(component) { report(.compiling(component, $0)) }
    let units = try allowed(component)
    var failures: [String] = []
    for (index, unit) in units.enumerated() {
      do {
        // Compiling took its time, and so did a load that failed: the scene may have left.
        try Task.checkCancellation()
        try gate.pass()
        let model = try await load(component, place, unit)
        let signature = try store.manifest.component(component)
        try SignatureCheck(
          component: component, inputs: signature.inputs, outputs: signature.outputs
        ).check(model.inputs, model.outputs)
        return ComponentSession(component: component, units: unit, model: model)
      } catch let error where error is MobileOError || error is CancellationError {
        throw error
      } catch {
        failures.append("\(unit.rawValue): \(reason(error))")
        if index + 1 < units.count {
          report(.fellBack(component, from: unit, to: units[index + 1], reason: reason(error)))
        }
      }
    }
    let advice =
      settings.computeUnits[component] == nil
      ? "restart the device, or remove the bundle and install it again"
      : "choose other compute units in the settings"
    throw MobileOError(
      .session,
      "\(component): Core ML cannot load it on \(failures.joined(separator: "; ")); \(advice)")
  }

  func languageModel() async throws -> any LanguageModelSession {
    if let asset = try artifact("llm", "aimodel") {
      return try await timed("llm") { try await assets.languageModel(asset) }
    }
    guard let folder = try folder("llm") else {
      let kind = try store.manifest.component("llm").artifacts.first?.kind ?? "nothing"
      throw MobileOError(
        .bundle, "llm is \(kind) in this bundle, not mlx or aimodel; export it for ios or mlx")
    }
    return try await timed("llm") {
      try await makeLanguageModel(folder, store.manifest, settings.allowsReducedPrecision)
    }
  }

  /// Where the MLX folder of a component is; nil of one that is not for MLX.
  func folder(_ component: String) throws -> URL? {
    try artifact(component, "mlx").map { store.bundle.appendingPathComponent($0.path) }
  }

  /// What is run of a component if it is of a kind; else nil.
  private func artifact(_ component: String, _ kind: String) throws -> Manifest.Artifact? {
    let artifact = try store.manifest.component(component).onDevice
    return artifact?.kind == kind ? artifact : nil
  }

  /// What `load` makes of a component, with a word to the reports.
  private func timed<Loaded>(
    _ component: String, _ load: () async throws -> Loaded
  ) async throws -> Loaded {
    let start = now()
    let session = try await load()
    report(
      .loaded(
        component, on: nil, seconds: seconds(since: start), isCold: false,
        footprint: system.footprint()))
    return session
  }

  /// How a component is loaded on the compute units that are tried first.
  func options(_ component: String) throws -> LoadOptions {
    try options(component, allowed(component)[0])
  }

  /// The compute units to try, in order: the user's and no other, or the manifest's and what they
  /// leave to fall back on.
  private func allowed(_ component: String) throws -> [CoreMLUnits] {
    if let chosen = settings.computeUnits[component] { return [chosen] }
    let package = try store.package(component)
    let units = try known(package.computeUnits, component)
    let others = try package.fallbackComputeUnits?.map { try known($0, component) }
    return [units] + (others ?? units.fallbacks)
  }

  private func known(_ named: String, _ component: String) throws -> CoreMLUnits {
    guard let units = CoreMLUnits(rawValue: named) else {
      throw MobileOError(
        .bundle,
        "\(component) is for compute units '\(oneLine(named, longest: 40))', which this "
          + "release does not know; update the app, or export again")
    }
    return units
  }

  private func options(_ component: String, _ units: CoreMLUnits) throws -> LoadOptions {
    // The transformer runs a whole picture at one length; all others run once or twice a length.
    LoadOptions(
      units: units, reshapesRarely: component == "dit",
      function: try store.package(component).function)
  }

  private func load(
    _ component: String, _ place: URL, _ units: CoreMLUnits
  ) async throws -> any CoreMLModel {
    let isCold = await store.isCold(component)
    let start = now()
    let model = try await runtime.load(place, options(component, units))
    let seconds = seconds(since: start)
    await store.loaded(component, seconds: seconds, isCold: isCold)
    report(
      .loaded(
        component, on: units, seconds: seconds, isCold: isCold, footprint: system.footprint()))
    return model
  }

  private func seconds(since start: Duration) -> Double { (now() - start) / .seconds(1) }
}
