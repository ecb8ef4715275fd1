/// A component, loaded and ready to run.
///
/// Arrays go by the names of the manifest's signature.
public protocol Session: Sendable {
  /// What the component computes of `inputs`.
  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor]

  /// Releases what it holds; it is not run again.
  func close() async
}

/// The language model, loaded: a session that also goes on with a prompt token by token.
public protocol LanguageModelSession: Session {
  /// Reads a prompt, [1, T] int32, with image features [1, M, F] where it has an image token.
  ///
  /// Begins anew: what was read before is forgotten. Keeps what ``step(_:)`` needs; gives the last
  /// position's logits, [1, V] float32.
  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor

  /// Goes on with one token: its logits, [1, V] float32.
  func step(_ token: Int) async throws -> Tensor

  /// Goes on with several tokens, [1, T] int32: what the user says next. Gives the last position's
  /// logits, [1, V] float32.
  func extend(_ inputIDs: Tensor) async throws -> Tensor
}

extension LanguageModelSession {
  /// One step a token. A session that reads several in one pass does it in its own way.
  public func extend(_ inputIDs: Tensor) async throws -> Tensor {
    var logits: Tensor?
    for token in try inputIDs.integers("input_ids") {
      try Task.checkCancellation()
      logits = try await step(Int(token))
    }
    guard let logits else {
      throw MobileOError(.session, "llm takes one token or more, not none; say something")
    }
    return logits
  }
}

/// Loads the components of a bundle: Core ML and MLX on a device, a recorded trace, another machine.
public protocol Engine: Sendable {
  /// `vision_encoder`, `mcp`, `dit` or `vae_decoder`.
  func session(_ component: String) async throws -> any Session

  /// The language model with its image projector.
  func languageModel() async throws -> any LanguageModelSession

  /// Called before a pipeline's first component: says what it will ask for, one by one.
  ///
  /// - Throws: what keeps the task from beginning, such as too little memory.
  func prepare(for task: PipelineTask) async throws

  /// What executes a component, for reports and for the gates that it has to meet.
  func runtime(of component: String) async throws -> ComponentRuntime
}

extension Engine {
  /// Nothing to prepare.
  public func prepare(for task: PipelineTask) async throws {}

  /// A device, of which no more is known.
  public func runtime(of component: String) async throws -> ComponentRuntime {
    ComponentRuntime("device", .device)
  }
}

/// What executes a component.
public struct ComponentRuntime: Sendable, Equatable {
  /// Such as `coreml cpu_and_gpu`, `mlx` or `mil`.
  public let name: String
  /// Whether it executes artifacts exactly as they are saved, or as a device does: which of a trace's
  /// bounds hold for it.
  public let executor: Gate.Executor

  /// A runtime called `name`.
  public init(_ name: String, _ executor: Gate.Executor) {
    (self.name, self.executor) = (name, executor)
  }
}

/// What a component takes and gives, asked of every call: names, types, shapes, finite numbers.
struct CallCheck: Sendable {
  let component: String
  let signature: Manifest.Component

  func inputs(_ given: [String: Tensor]) throws {
    try check(given, signature.inputs, "takes", finite: false)
  }

  func outputs(_ found: [String: Tensor]) throws {
    try check(found, signature.outputs, "gives", finite: true)
  }

  private func check(
    _ arrays: [String: Tensor], _ expected: [TensorSignature], _ verb: String, finite: Bool
  ) throws {
    var sizes: [String: Int] = [:]
    for item in expected {
      guard let array = arrays[item.name] else {
        if item.optional { continue }
        throw failure("\(verb) \(item.name), which is missing")
      }
      guard array.dtype == item.dtype, array.shape.count == item.shape.count else {
        throw failure("\(verb) \(item.name) as \(item.summary), not \(array.summary)")
      }
      for (size, allowed) in zip(array.shape, item.shape) {
        switch allowed {
        case .fixed(let fixed):
          if size != fixed {
            throw failure("\(verb) \(item.name) as \(item.summary), not \(array.summary)")
          }
        case .varying(let name, let min, let max, _):
          guard size >= min, size <= max, sizes.updateValue(size, forKey: name) ?? size == size
          else { throw failure("\(verb) \(item.name) as \(item.summary), not \(array.summary)") }
        }
      }
      if finite, case .float32(let values) = array.values, !values.allSatisfy(\.isFinite) {
        throw failure("gave \(item.name) with values that are not finite")
      }
    }
    if let name = arrays.keys.sorted().first(where: { name in
      !expected.contains { $0.name == name }
    }) {
      throw failure("\(verb) no \(name)")
    }
  }

  private func failure(_ problem: String) -> MobileOError {
    MobileOError(.session, "\(component) \(problem); verify the bundle, or export it again")
  }
}

extension TensorSignature {
  /// `float32 [1, N=8…768, 2304]`, for errors.
  package var summary: String {
    let sizes = shape.map { size in
      switch size {
      case .fixed(let fixed): String(fixed)
      case .varying(let name, let min, let max, _): "\(name)=\(min)…\(max)"
      }
    }
    return "\(dtype) [\(sizes.joined(separator: ", "))]"
  }
}
