import Foundation
import MobileO

/// What the process took of memory when a component had just been loaded.
public struct LoadFootprint: Sendable, Equatable, Identifiable {
  /// Which load it was, from 0.
  public let id: Int
  /// `dit`, `llm`, ….
  public let component: String
  /// Bytes of the process; nil where nobody can say.
  public let footprint: Int?
  /// How long the load took.
  public let took: Duration
}

/// Reads the device's memory after each load, and keeps the most that was seen at any call.
final class MeteredEngine: Engine, @unchecked Sendable {
  private let inner: any Engine
  private let device: Device
  private let loaded: @Sendable (LoadFootprint) -> Void
  private let lock = NSLock()
  private var count = 0
  private var most: Int?
  private var least: Int?

  init(
    _ inner: any Engine, _ device: Device, loaded: @escaping @Sendable (LoadFootprint) -> Void
  ) {
    self.inner = inner
    self.device = device
    self.loaded = loaded
  }

  /// The largest footprint and the least headroom that were seen.
  var extremes: (footprint: Int?, headroom: Int?) { lock.withLock { (most, least) } }

  func prepare(for task: PipelineTask) async throws { try await inner.prepare(for: task) }

  func runtime(of component: String) async throws -> ComponentRuntime {
    try await inner.runtime(of: component)
  }

  func session(_ component: String) async throws -> any Session {
    MeteredSession(
      inner: try await load(component) { try await inner.session(component) }, engine: self)
  }

  func languageModel() async throws -> any LanguageModelSession {
    MeteredLanguageModel(
      inner: try await load("llm") { try await inner.languageModel() }, engine: self)
  }

  private func load<Made>(_ component: String, _ body: () async throws -> Made) async throws -> Made
  {
    let started = ContinuousClock.now
    let made = try await body()
    let took = started.duration(to: .now)
    let footprint = look()
    let number = lock.withLock {
      defer { count += 1 }
      return count
    }
    loaded(LoadFootprint(id: number, component: component, footprint: footprint, took: took))
    return made
  }

  /// The footprint now.
  @discardableResult fileprivate func look() -> Int? {
    let (footprint, headroom) = (device.footprint(), device.headroom())
    lock.withLock {
      if let footprint { most = max(most ?? 0, footprint) }
      if let headroom { least = min(least ?? .max, headroom) }
    }
    return footprint
  }
}

private struct MeteredSession: Session {
  let inner: any Session
  let engine: MeteredEngine

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    defer { engine.look() }
    return try await inner.run(inputs)
  }

  func close() async { await inner.close() }
}

private struct MeteredLanguageModel: LanguageModelSession {
  let inner: any LanguageModelSession
  let engine: MeteredEngine

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    defer { engine.look() }
    return try await inner.run(inputs)
  }

  func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    defer { engine.look() }
    return try await inner.prefill(inputIDs, imageFeatures: imageFeatures)
  }

  func step(_ token: Int) async throws -> Tensor {
    defer { engine.look() }
    return try await inner.step(token)
  }

  func extend(_ inputIDs: Tensor) async throws -> Tensor {
    defer { engine.look() }
    return try await inner.extend(inputIDs)
  }

  func close() async { await inner.close() }
}
