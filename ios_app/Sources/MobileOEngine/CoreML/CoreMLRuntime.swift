import Foundation
import MobileO

/// The few calls into Core ML: a protocol, so that everything around them runs and is tested anywhere.
public protocol CoreMLRuntime: Sendable {
  /// Compiles a package; the result lies in a temporary place.
  func compile(_ package: URL) async throws -> URL

  /// Loads a compiled model.
  func load(_ compiled: URL, _ options: LoadOptions) async throws -> any CoreMLModel

  /// Where each operation of a compiled model would run.
  func plan(_ compiled: URL, _ options: LoadOptions) async throws -> [PlannedOperation]
}

/// A loaded model; it takes memory as long as anybody holds it. One call at a time.
public protocol CoreMLModel: AnyObject, Sendable {
  /// What it takes, by name.
  var inputs: [String: ModelFeature] { get }
  /// What it gives, by name.
  var outputs: [String: ModelFeature] { get }

  /// What it computes of `inputs`.
  func predict(_ inputs: [String: Tensor]) async throws -> [String: Tensor]
}

/// How a model is loaded.
public struct LoadOptions: Sendable, Equatable {
  /// What it may run on.
  public let units: CoreMLUnits
  /// Whether its shapes stay for many calls, so that a new one may take its time.
  public let reshapesRarely: Bool
  /// The entry of the ML Program; nil is the only one.
  public let function: String?

  /// Options for one load.
  public init(units: CoreMLUnits, reshapesRarely: Bool = false, function: String? = nil) {
    (self.units, self.reshapesRarely, self.function) = (units, reshapesRarely, function)
  }
}

/// An array that a loaded model takes or gives, as it says itself.
public struct ModelFeature: Sendable, Equatable {
  /// The shapes that are allowed.
  public enum Shape: Sendable, Equatable {
    /// It does not say, as of outputs whose sizes vary.
    case unknown
    case fixed([Int])
    /// Sizes of which each lies within bounds.
    case ranges([ClosedRange<Int>])
    /// One of several, and no other.
    case choice([[Int]])
  }

  /// `float32`, `int32`, or whatever else it is.
  public let dtype: String
  /// Sizes, the slowest first.
  public let shape: Shape
  /// Whether an input may be left out.
  public let isOptional: Bool

  /// A feature as a model describes it.
  public init(dtype: String, shape: Shape, isOptional: Bool = false) {
    (self.dtype, self.shape, self.isOptional) = (dtype, shape, isOptional)
  }
}

extension CoreMLUnits {
  /// What to try when a model cannot be loaded on these, in order.
  var fallbacks: [CoreMLUnits] {
    switch self {
    case .all, .cpuAndNeuralEngine: [.cpuAndGPU, .cpuOnly]
    case .cpuAndGPU: [.cpuOnly]
    case .cpuOnly: []
    }
  }
}
