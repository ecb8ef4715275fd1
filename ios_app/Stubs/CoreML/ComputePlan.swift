import Foundation

/// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n
///
/// Not Sendable.
@available(macOS 14.4, iOS 17.4, *)
public class MLComputePlan {
  /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/deviceusage
  public struct DeviceUsage: Sendable {
    /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/deviceusage/supported
    public let supported: [MLComputeDevice]
    /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/deviceusage/preferred
    public let preferred: MLComputeDevice
  }
  /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/cost
  public struct Cost: Sendable {
    /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/cost/weight
    public let weight: Double
  }
  /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/modelstructure
  public final var modelStructure: MLModelStructure { standIn() }
  /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/load(contentsof:configuration:)
  public static func load(
    contentsOf url: URL, configuration: MLModelConfiguration
  ) async throws -> MLComputePlan { standIn() }
  /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/estimatedcost(of:)
  public func estimatedCost(of operation: MLModelStructure.Program.Operation) -> Cost? {
    standIn()
  }
  /// developer.apple.com/documentation/coreml/mlcomputeplan-1w21n/deviceusage(for:)
  public func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? {
    standIn()
  }
  init() { standIn() }
}

@available(*, unavailable)
extension MLComputePlan: Sendable {}

/// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum
@available(macOS 14.4, iOS 17.4, *)
public enum MLModelStructure: Sendable {
  /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program
  public struct Program: Sendable {
    /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program/function
    public struct Function: Sendable {
      /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program/function/block
      public let block: Block
    }
    /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program/block
    public struct Block: Sendable {
      /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program/block/operations
      public let operations: [Operation]
    }
    /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program/operation
    public struct Operation: Sendable {
      /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program/operation/operatorname
      public let operatorName: String
      /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program/operation/blocks
      public let blocks: [Block]
    }
    /// developer.apple.com/documentation/coreml/mlmodelstructure-swift.enum/program/functions
    public let functions: [String: Function]
  }
  case program(Program)
  case unsupported
}

/// developer.apple.com/documentation/coreml/mlcomputedevice
@available(macOS 14, iOS 17, *)
public enum MLComputeDevice: Equatable, Hashable, Sendable {
  case cpu(MLCPUComputeDevice)
  case gpu(MLGPUComputeDevice)
  case neuralEngine(MLNeuralEngineComputeDevice)
}

/// developer.apple.com/documentation/coreml/mlcpucomputedevice
@available(macOS 14, iOS 17, *)
public final class MLCPUComputeDevice: NSObject, @unchecked Sendable {}

/// developer.apple.com/documentation/coreml/mlgpucomputedevice
@available(macOS 14, iOS 17, *)
public final class MLGPUComputeDevice: NSObject, @unchecked Sendable {}

/// developer.apple.com/documentation/coreml/mlneuralenginecomputedevice
@available(macOS 14, iOS 17, *)
public final class MLNeuralEngineComputeDevice: NSObject, @unchecked Sendable {}
