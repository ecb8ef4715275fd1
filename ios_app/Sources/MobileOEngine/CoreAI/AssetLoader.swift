import Foundation
import MobileO

/// Loads the assets of a bundle for Core AI, where the user chose that and the system has it.
actor AssetLoader {
  private let bundle: URL
  private let manifest: Manifest
  private let units: CoreAIUnits?
  private let system: DeviceSystem
  private let runtime: @Sendable () throws -> any CoreAIRuntime
  /// Assets that were read to the end, and are as they were written.
  private var whole: Set<String> = []

  /// - Parameters:
  ///   - units: what assets may run on; nil refuses them.
  ///   - runtime: Core AI, or what a test has in its place; asked where it is needed.
  init(
    bundle: URL, manifest: Manifest, units: CoreAIUnits?, system: DeviceSystem,
    runtime: @escaping @Sendable () throws -> any CoreAIRuntime
  ) {
    (self.bundle, self.manifest, self.units) = (bundle, manifest, units)
    (self.system, self.runtime) = (system, runtime)
  }

  /// A component of one function.
  ///
  /// - Throws: ``MobileOError``: of kind `off`: nobody chose Core AI; of kind `usage`: the system has
  ///   none; of kind `bundle`: the asset is damaged, or not what the manifest says; of kind `session`:
  ///   Core AI cannot load it.
  func session(
    _ component: String, _ artifact: Manifest.Artifact
  ) async throws -> any Session {
    let signature = try manifest.component(component)
    let options = try options(component, artifact)
    let model = try await load(component, artifact.path, options)
    let main = AssetLanguageModelPlan.Name.main
    try check(component, model, main, signature.inputs, signature.outputs)
    return ComponentSession(component, on: "Core AI", units: options.units.rawValue) {
      try await model.run(main, $0)
    }
  }

  /// The language model with its projector.
  ///
  /// - Throws: as ``session(_:_:)``.
  func languageModel(_ artifact: Manifest.Artifact) async throws -> any LanguageModelSession {
    let plan = try AssetLanguageModelPlan(manifest, artifact)
    let options = try options("llm", artifact)
    let model = try await load("llm", plan.asset, options)
    for graph in plan.functions { try check("llm", model, graph.name, graph.inputs, graph.outputs) }
    return AssetLanguageModel(plan, model, units: options.units)
  }

  /// How a component is loaded, where it may be at all.
  private func options(_ component: String, _ artifact: Manifest.Artifact) throws -> AssetOptions {
    let least = artifact.minimumOS ?? "27.0"
    let needed = least.split(separator: ".").map { Int($0) ?? .max }
    let release = system.release()
    if release.lexicographicallyPrecedes(needed) {
      let found = release.isEmpty ? "unknown" : release.map(String.init).joined(separator: ".")
      throw MobileOError(
        .usage,
        "\(component) is for Core AI of iOS or macOS \(least), this system's release is \(found); "
          + "update it, or export the model for ios or mlx")
    }
    guard let units else {
      throw MobileOError(
        .off,
        "\(component) is for Core AI, which is off; turn it on in the settings (--core-ai of mobileo), "
          + "or export the model for ios or mlx")
    }
    return AssetOptions(units: units, reshapesOften: component == "llm")
  }

  private func load(
    _ component: String, _ path: String, _ options: AssetOptions
  ) async throws -> any CoreAIModel {
    let runtime = try runtime()
    let asset = bundle.appendingPathComponent(path)
    if !whole.contains(path) {
      try AssetFiles.check(asset.path)
      whole.insert(path)
    }
    try Task.checkCancellation()
    do {
      return try await runtime.load(asset, options)
    } catch let error where error is MobileOError || error is CancellationError {
      throw error
    } catch {
      throw MobileOError(
        .session,
        "\(component): Core AI cannot load it on \(options.units.rawValue) (\(reason(error))); "
          + "restart the device, or take a bundle for ios or mlx")
    }
  }

  private func check(
    _ component: String, _ model: any CoreAIModel, _ name: String, _ inputs: [TensorSignature],
    _ outputs: [TensorSignature]
  ) throws {
    guard let function = model.functions[name] else {
      throw MobileOError(
        .bundle, "\(component): the asset has no function \(name); export the bundle again")
    }
    try SignatureCheck(
      component: component, subject: "function \(name) of the asset", inputs: inputs,
      outputs: outputs
    ).check(function.inputs, function.outputs)
  }
}
