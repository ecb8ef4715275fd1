import Foundation
import MLX
import MobileO

/// What a component computes, of its inputs by name, as its signature has them.
protocol ComponentModel {
  associatedtype Configuration: ComponentConfiguration

  /// Takes what it is made of; activations are `dtype`.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: the weights have changed since they were looked at.
  init(_ configuration: Configuration, _ weights: inout Weights, _ dtype: DType) throws

  /// - Throws: ``MobileOError`` of kind `session`: an input is missing.
  func callAsFunction(_ inputs: [String: MLXArray]) throws -> [String: MLXArray]
}

extension ComponentModel {
  /// An input by name.
  func input(_ name: String, _ inputs: [String: MLXArray]) throws -> MLXArray {
    if let found = inputs[name] { return found }
    throw MobileOError(
      .session, "\(Configuration.component) takes \(name), which is missing; verify the bundle")
  }

  /// The model of a folder, loaded.
  fileprivate init(
    _ plan: ComponentPlan<Configuration>, _ precision: Precision, _ failure: ErrorBox
  ) throws {
    var weights = try Weights(plan.weights, precision, failure)
    let isWide = plan.isFloat32 || precision == .float32
    try self.init(plan.configuration, &weights, isWide ? .float32 : .float16)
    try weights.finish()
  }

  /// What loads the folder, once its files are found right.
  fileprivate static func maker(
    _ folder: String, _ manifest: Manifest
  ) throws -> MLXComponent.Maker {
    let plan = try ComponentPlan<Configuration>(folder: folder, manifest: manifest)
    return { try Self(plan, $0, $1) }
  }
}

/// A component of a bundle on MLX: the vision encoder, the projector, the transformer or the decoder.
///
/// Weights stay as they are stored, quantized or narrow. As ``MLXLanguageModel``, it computes on a queue
/// of its own, and no call may begin unless the scene is active.
public actor MLXComponent: Session {
  fileprivate typealias Maker = (Precision, ErrorBox) throws -> any ComponentModel
  private static let makers: [String: @Sendable (String, Manifest) throws -> Maker] = [
    "vision_encoder": { try VisionEncoder.maker($0, $1) }, "mcp": { try MCP.maker($0, $1) },
    "dit": { try DiT.maker($0, $1) }, "vae_decoder": { try VAEDecoder.maker($0, $1) },
  ]

  /// Whether MLX may compute float32 products in reduced precision in this process, as of
  /// ``MLXLanguageModel/allowsReducedPrecision``.
  public nonisolated let allowsReducedPrecision: Bool
  private nonisolated let executor = QueueExecutor("MLXComponent")
  private let component: String
  private var model: (any ComponentModel)?

  /// Runs on ``QueueExecutor``.
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    executor.asUnownedSerialExecutor()
  }

  /// Loads `component` of the bundle whose manifest is `manifest`; the parameters and errors are those
  /// of ``MLXLanguageModel/load(folder:manifest:allowsReducedPrecision:precision:)``.
  public static func load(
    _ component: String, folder: URL, manifest: Manifest, allowsReducedPrecision: Bool,
    precision: Precision = .stored
  ) async throws -> MLXComponent {
    #if targetEnvironment(simulator)
      throw MobileOError(
        .usage,
        "MLX does not run in the Simulator; use a device, or mobileo-export serve on the Mac")
    #else
      guard makers[component] != nil else {
        throw MobileOError(.usage, "\(component): no component that MLX runs")
      }
      let session = MLXComponent(
        component, try ReducedPrecision.settle(allowsReducedPrecision))
      try await session.open(folder.path, manifest, precision)
      return session
    #endif
  }

  private init(_ component: String, _ allowsReducedPrecision: Bool) {
    (self.component, self.allowsReducedPrecision) = (component, allowsReducedPrecision)
  }

  private func open(_ folder: String, _ manifest: Manifest, _ precision: Precision) throws {
    guard let make = try Self.makers[component]?(folder, manifest) else { return }
    Memory.cacheLimit = MLXLanguageModel.cacheLimit
    do {
      model = try guarded(component) { failure in try make(precision, failure) }
    } catch {
      Memory.clearCache()
      throw error
    }
  }

  /// What the component computes of `inputs`, float32 as its signature says.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: an input is missing or does not fit, or MLX failed; of
  ///   kind `memory`: it has too little.
  public func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
    guard let model else {
      throw MobileOError(.session, "\(component) was closed before; ask the engine for it again")
    }
    var arrays: [String: MLXArray] = [:]
    for (name, array) in inputs {
      arrays[name] = MLXArray(try array.floats(name), array.shape)
    }
    let given = arrays
    return try guarded(component) { failure in
      let outputs = try model(given)
      try failure.check()
      asyncEval(outputs.values)
      return try outputs.mapValues { try tensor($0, $0.shape, failure) }
    }
  }

  /// Releases the weights, and gives the memory back.
  public func close() {
    model = nil
    Memory.clearCache()
  }
}
