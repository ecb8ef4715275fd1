import Foundation
import MobileO

/// An engine on a machine of so much memory: counts loads, and what is taken at most.
final class CountingEngine: Engine, @unchecked Sendable {
  private let inner: (any Engine)?
  private let sizes: [String: Footprint]
  private let total: Int
  private let lock = NSLock()
  private var counted: [String] = []
  private var present: [String: Int] = [:]
  private var mostTaken = 0
  private var returning = 0
  /// How often the headroom is asked for before memory that was given back shows.
  private let delay: Int
  private var asked = 0

  init(_ sizes: [String: Footprint], total: Int, inner: (any Engine)? = nil, delay: Int = 0) {
    (self.sizes, self.total, self.inner, self.delay) = (sizes, total, inner, delay)
  }

  /// Names in the order of loading.
  var loads: [String] { lock.withLock { counted } }
  /// What was taken at most, runs included.
  var most: Int { lock.withLock { mostTaken } }
  /// How many sessions are open.
  var open: Int { lock.withLock { present.values.reduce(0, +) } }

  /// Bytes that are still free.
  var headroom: Int {
    lock.withLock {
      asked += 1
      if asked > delay { returning = 0 }
      return total - taken - returning
    }
  }

  private var taken: Int {
    present.reduce(0) { $0 + $1.value * (sizes[$1.key]?.weights ?? 0) }
  }

  func session(_ component: String) async throws -> any Session {
    began(component)
    return CountedSession(
      engine: self, name: component, inner: try await inner?.session(component))
  }

  func languageModel() async throws -> any LanguageModelSession {
    began("llm")
    return CountedSession(engine: self, name: "llm", inner: try await inner?.languageModel())
  }

  private func began(_ name: String) {
    lock.withLock {
      counted.append(name)
      present[name, default: 0] += 1
      mostTaken = max(mostTaken, taken)
    }
  }

  fileprivate func ran(_ name: String) {
    lock.withLock { mostTaken = max(mostTaken, taken + (sizes[name]?.activations ?? 0)) }
  }

  fileprivate func closed(_ name: String) {
    lock.withLock {
      present[name, default: 0] -= 1
      returning += sizes[name]?.weights ?? 0
      asked = 0
    }
  }
}

private struct CountedSession: LanguageModelSession {
  let engine: CountingEngine
  let name: String
  let inner: (any Session)?

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    engine.ran(name)
    if inputs["fail"] != nil { throw MobileOError(.session, "asked to fail") }
    return try await inner?.run(inputs) ?? [:]
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    engine.ran(name)
    guard let model = inner as? any LanguageModelSession else { return inputIDs }
    return try await model.prefill(inputIDs, imageFeatures: imageFeatures)
  }

  func step(_ token: Int) async throws -> Tensor {
    guard let model = inner as? any LanguageModelSession else {
      return Tensor(shape: [1], .int32([Int32(token)]))
    }
    return try await model.step(token)
  }

  func close() async {
    engine.closed(name)
    await inner?.close()
  }
}

/// An engine that loads nothing until it is told to go on.
final class HeldEngine: Engine, @unchecked Sendable {
  private let inner: any Engine
  private let lock = NSLock()
  private var continuations: [CheckedContinuation<Void, Never>] = []

  init(_ inner: any Engine) { self.inner = inner }

  /// How many loads wait.
  var waiting: Int { lock.withLock { continuations.count } }

  func goOn() {
    let all = lock.withLock {
      defer { continuations = [] }
      return continuations
    }
    for continuation in all { continuation.resume() }
  }

  func session(_ component: String) async throws -> any Session {
    await withCheckedContinuation { one in lock.withLock { continuations.append(one) } }
    return try await inner.session(component)
  }

  func languageModel() async throws -> any LanguageModelSession {
    await withCheckedContinuation { one in lock.withLock { continuations.append(one) } }
    return try await inner.languageModel()
  }
}
