import Foundation
import MobileO

/// The two calls into Core AI: a protocol, so that everything around them runs and is tested anywhere.
///
/// Letting go of what ``load(_:_:)`` gives unloads it.
public protocol CoreAIRuntime: Sendable {
  /// Loads every function of an asset, which is specialized for this device unless it was before.
  func load(_ asset: URL, _ options: AssetOptions) async throws -> any CoreAIModel
}

/// A loaded asset; it takes memory as long as anybody holds it.
public protocol CoreAIModel: AnyObject, Sendable {
  /// What can be run, by name.
  var functions: [String: AssetFunction] { get }

  /// What a function computes of `inputs`, all of them in C order.
  func run(_ function: String, _ inputs: [String: Tensor]) async throws -> [String: Tensor]
}

/// How an asset is loaded.
public struct AssetOptions: Sendable, Equatable {
  /// What it may run on.
  public let units: CoreAIUnits
  /// Whether most calls come with other shapes than the one before.
  public let reshapesOften: Bool

  /// Options for one load.
  public init(units: CoreAIUnits, reshapesOften: Bool = false) {
    (self.units, self.reshapesOften) = (units, reshapesOften)
  }
}

/// A function of a loaded asset, as it says itself.
public struct AssetFunction: Sendable, Equatable {
  /// What it takes, by name.
  public let inputs: [String: ModelFeature]
  /// What it gives, by name.
  public let outputs: [String: ModelFeature]

  /// A function as an asset describes it.
  public init(inputs: [String: ModelFeature], outputs: [String: ModelFeature]) {
    (self.inputs, self.outputs) = (inputs, outputs)
  }
}
