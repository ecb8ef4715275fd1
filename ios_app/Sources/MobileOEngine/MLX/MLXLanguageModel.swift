import Foundation
import MLX
import MobileO

/// The language model of a bundle on MLX: Qwen2 with the image projector, quantized as its folder says.
///
/// Computes on a queue of its own; whoever awaits a call blocks no thread. One text at a time: see
/// ``prefill(_:imageFeatures:)``. MLX's GPU work must not go on when the app is in the background, where
/// the system ends the app for it: begin no call unless the scene is active.
public actor MLXLanguageModel: LanguageModelSession {
  /// What MLX keeps of the memory that arrays gave back, in bytes; of all models together.
  static let cacheLimit = 20 << 20
  private static let title = "the language model"

  /// Whether MLX may compute float32 products in reduced precision in this process; never when
  /// ``load(folder:manifest:allowsReducedPrecision:precision:)`` did not allow it.
  public nonisolated let allowsReducedPrecision: Bool
  private nonisolated let executor = QueueExecutor("MLXLanguageModel")
  private let plan: LanguageModelPlan
  private var model: Qwen2?
  private var past: KeyValueCache?

  /// Runs on ``QueueExecutor``.
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    executor.asUnownedSerialExecutor()
  }

  /// Loads the MLX folder `folder` of the bundle whose manifest is `manifest`.
  ///
  /// - Parameters:
  ///   - folder: the artifact of kind `mlx`, with `config.json` and `model.safetensors`.
  ///   - manifest: of its bundle.
  ///   - allowsReducedPrecision: whether MLX may use reduced precision for float32 products (chips of
  ///     2025 and later do); not in a self-test. Settled by a process's first load.
  ///   - precision: of the activations.
  /// - Throws: ``MobileOError``: of kind `bundle`: the folder holds no such model, or anything in it is
  ///   missing, damaged, of another shape or type, unknown or left over; of kind `memory` or `session`:
  ///   MLX could not load it; of kind `usage`: exact numbers are asked of a process that began with
  ///   others.
  public static func load(
    folder: URL, manifest: Manifest, allowsReducedPrecision: Bool, precision: Precision = .stored
  ) async throws -> MLXLanguageModel {
    #if targetEnvironment(simulator)
      throw MobileOError(
        .usage,
        "MLX does not run in the Simulator; use a device, or mobileo-export serve on the Mac")
    #else
      let plan = try LanguageModelPlan(folder: folder.path, manifest: manifest)
      let model = MLXLanguageModel(plan, try ReducedPrecision.settle(allowsReducedPrecision))
      try await model.open(precision)
      return model
    #endif
  }

  private init(_ plan: LanguageModelPlan, _ allowsReducedPrecision: Bool) {
    (self.plan, self.allowsReducedPrecision) = (plan, allowsReducedPrecision)
  }

  private func open(_ precision: Precision) throws {
    Memory.cacheLimit = Self.cacheLimit
    do {
      model = try guarded(Self.title) { failure in try Qwen2(plan, precision, failure) }
    } catch {
      close()
      throw error
    }
  }

  /// `stacked_hidden_states` [1, K, N, d] and `logits` [1, V] float32 of a prompt, which is not kept.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: the inputs do not fit the signature, the image tokens
  ///   do not fit the features, or MLX failed; of kind `memory`: it has too little.
  public func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
    let model = try opened()
    let call = try LanguageModelCall(inputs, plan)
    return try guarded(Self.title) { failure in
      var scratch = KeyValueCache(layers: model.layers.count)
      let (states, logits) = model(model.embed(call), length: call.length, &scratch)
      asyncEval([states, logits])
      let shape = [1, plan.states, call.length, model.sizes.hidden]
      return [
        "stacked_hidden_states": try tensor(states, shape, failure),
        "logits": try tensor(logits, [1, model.sizes.vocabulary], failure),
      ]
    }
  }

  /// Forgets everything and reads a prompt: the logits [1, V] float32 of its last position.
  ///
  /// - Throws: as ``run(_:)``; nothing is kept then.
  public func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) throws -> Tensor {
    past = nil
    let call = try LanguageModelCall(inputIDs, imageFeatures: imageFeatures, plan)
    return try read(call, behind: KeyValueCache(layers: opened().layers.count))
  }

  /// Goes on with one token: the logits [1, V] float32 behind it.
  ///
  /// - Throws: as ``extend(_:)``.
  public func step(_ token: Int) async throws -> Tensor {
    guard let id = Int32(exactly: token) else {
      throw MobileOError(.session, "input_ids holds \(token), which is no id; verify the bundle")
    }
    return try await extend(Tensor(shape: [1, 1], .int32([id])))
  }

  /// Goes on with several tokens [1, T] int32 in one pass: the logits [1, V] float32 behind the last.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: nothing was read yet, no position is left, an id is out
  ///   of range; what was read stays then. Or MLX failed, and it is forgotten.
  public func extend(_ inputIDs: Tensor) async throws -> Tensor {
    // Asynchronous without need: else a direct call would take the protocol's, a step a token.
    _ = try opened()
    guard let past else {
      throw MobileOError(
        .session, "the language model has read nothing yet; prefill a prompt first")
    }
    let call = try LanguageModelCall(inputIDs, after: past.count, plan)
    self.past = nil
    return try read(call, behind: past)
  }

  /// Releases the weights and what was read, and gives the memory back.
  public func close() {
    (model, past) = (nil, nil)
    Memory.clearCache()
  }

  /// Reads on, and keeps what was read if all went well.
  private func read(_ call: LanguageModelCall, behind past: KeyValueCache) throws -> Tensor {
    let model = try opened()
    var cache = past
    return try guarded(Self.title) { failure in
      let (_, logits) = model(model.embed(call), length: call.length, &cache)
      asyncEval([logits] + cache.layers.flatMap(\.arrays))
      let result = try tensor(logits, [1, model.sizes.vocabulary], failure)
      self.past = cache
      return result
    }
  }

  private func opened() throws -> Qwen2 {
    if let model { return model }
    throw MobileOError(.session, "the language model is closed; load it again")
  }
}
