import Foundation
import MobileO

/// An engine whose components do what they should not.
final class FaultyEngine: Engine, @unchecked Sendable {
  enum Fault {
    case doesNotLoad(any Error)
    case fails(any Error)
    case gives(@Sendable ([String: Tensor]) -> [String: Tensor])
  }

  private let engine: any Engine
  fileprivate let faults: [String: Fault]
  private let lock = NSLock()
  private var opened = 0

  init(_ engine: any Engine, _ faults: [String: Fault]) {
    (self.engine, self.faults) = (engine, faults)
  }

  /// How many sessions are open.
  var open: Int { lock.withLock { opened } }

  func session(_ component: String) async throws -> any Session {
    try await FaultySession(
      engine: self, fault: load(component), inner: engine.session(component))
  }

  func languageModel() async throws -> any LanguageModelSession {
    try await FaultySession(engine: self, fault: load("llm"), inner: engine.languageModel())
  }

  func runtime(of component: String) async throws -> ComponentRuntime {
    try await engine.runtime(of: component)
  }

  static func infinite(_ tensor: Tensor) -> Tensor {
    guard case .float32(var values) = tensor.values else { return tensor }
    values[values.count / 2] = .infinity
    return Tensor(shape: tensor.shape, .float32(values))
  }

  private func load(_ component: String) throws -> Fault? {
    let fault = faults[component]
    if case .doesNotLoad(let error)? = fault { throw error }
    lock.withLock { opened += 1 }
    return fault
  }

  fileprivate func closed() { lock.withLock { opened -= 1 } }
}

private struct FaultySession: LanguageModelSession {
  let engine: FaultyEngine
  let fault: FaultyEngine.Fault?
  let inner: any Session

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    if case .fails(let error)? = fault { throw error }
    let outputs = try await inner.run(inputs)
    if case .gives(let change)? = fault { return change(outputs) }
    return outputs
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    guard let model = inner as? any LanguageModelSession else { return inputIDs }
    return try await model.prefill(inputIDs, imageFeatures: imageFeatures)
  }

  func step(_ token: Int) async throws -> Tensor {
    guard let model = inner as? any LanguageModelSession else {
      return Tensor(shape: [], .int32([]))
    }
    return try await model.step(token)
  }

  func close() async {
    engine.closed()
    await inner.close()
  }
}
