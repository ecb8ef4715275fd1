import CoreML
import Foundation
import MobileO

/// Core ML itself.
public struct SystemCoreML: CoreMLRuntime {
  /// Nothing is loaded by that.
  public init() {}

  /// `MLModel.compileModel(at:)`.
  public func compile(_ package: URL) async throws -> URL {
    try await MLModel.compileModel(at: package)
  }

  /// `MLModel.load(contentsOf:configuration:)`.
  public func load(_ compiled: URL, _ options: LoadOptions) async throws -> any CoreMLModel {
    SystemModel(
      try await MLModel.load(contentsOf: compiled, configuration: configuration(options)))
  }

  /// `MLComputePlan.load(contentsOf:configuration:)`.
  public func plan(
    _ compiled: URL, _ options: LoadOptions
  ) async throws -> [PlannedOperation] {
    let plan = try await MLComputePlan.load(
      contentsOf: compiled, configuration: configuration(options))
    guard case .program(let program) = plan.modelStructure,
      let function = program.functions[options.function ?? "main"] ?? program.functions["main"]
    else { return [] }
    return operations(of: function.block).map { operation in
      PlannedOperation(
        name: operation.operatorName,
        device: plan.deviceUsage(for: operation).map { ComputeDevice($0.preferred) },
        cost: plan.estimatedCost(of: operation)?.weight)
    }
  }

  private func configuration(_ options: LoadOptions) -> MLModelConfiguration {
    let configuration = MLModelConfiguration()
    configuration.computeUnits = MLComputeUnits(options.units)
    configuration.allowLowPrecisionAccumulationOnGPU = false
    // A package of one function is asked for none: "main" is a name only in a package of several.
    configuration.functionName = options.function == "main" ? nil : options.function
    if options.reshapesRarely { configuration.optimizationHints.reshapeFrequency = .infrequent }
    return configuration
  }

  private func operations(
    of block: MLModelStructure.Program.Block
  ) -> [MLModelStructure.Program.Operation] {
    block.operations.flatMap { [$0] + $0.blocks.flatMap(operations) }
  }
}

/// Unchecked: Core ML wants one call at a time, which ``ComponentSession`` sees to.
private final class SystemModel: CoreMLModel, @unchecked Sendable {
  private let model: MLModel
  let inputs: [String: ModelFeature]
  let outputs: [String: ModelFeature]

  init(_ model: sending MLModel) {
    inputs = model.modelDescription.inputDescriptionsByName.mapValues(ModelFeature.init)
    outputs = model.modelDescription.outputDescriptionsByName.mapValues(ModelFeature.init)
    self.model = model
  }

  func predict(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    let given = try inputs.mapValues { try MLTensor(copying: $0) }
    var found: [String: Tensor] = [:]
    for (name, tensor) in try await model.prediction(from: given) {
      found[name] = try await Tensor(name, tensor)
    }
    return found
  }
}

extension MLTensor {
  fileprivate init(copying tensor: Tensor) throws {
    switch tensor.values {
    case .float32(let values):
      let data = values.withUnsafeBytes { Data($0) }
      self.init(shape: tensor.shape, data: data, scalarType: Float.self)
    case .int32(let values):
      let data = values.withUnsafeBytes { Data($0) }
      self.init(shape: tensor.shape, data: data, scalarType: Int32.self)
    case .uint8: throw MobileOError(.session, "Core ML takes no uint8 array; export again")
    }
  }
}

extension Tensor {
  fileprivate init(_ name: String, _ tensor: MLTensor) async throws {
    if tensor.scalarType == Float.self {
      let array = await tensor.shapedArray(of: Float.self)
      let values = array.withUnsafeShapedBufferPointer { packed($0, shape: $1, strides: $2) }
      self.init(shape: tensor.shape, .float32(try whole(values, name)))
    } else if tensor.scalarType == Int32.self {
      let array = await tensor.shapedArray(of: Int32.self)
      let values = array.withUnsafeShapedBufferPointer { packed($0, shape: $1, strides: $2) }
      self.init(shape: tensor.shape, .int32(try whole(values, name)))
    } else {
      throw MobileOError(
        .session, "\(name) came as \(tensor.scalarType), not as float32 or int32; export again")
    }
  }
}

private func whole<Scalar>(_ values: [Scalar]?, _ name: String) throws -> [Scalar] {
  if let values { return values }
  throw MobileOError(.session, "\(name) came with strides beyond its end; report this")
}

extension MLComputeUnits {
  fileprivate init(_ units: CoreMLUnits) {
    switch units {
    case .all: self = .all
    case .cpuAndGPU: self = .cpuAndGPU
    case .cpuAndNeuralEngine: self = .cpuAndNeuralEngine
    case .cpuOnly: self = .cpuOnly
    }
  }
}

extension ComputeDevice {
  fileprivate init(_ device: MLComputeDevice) {
    if case .cpu = device {
      self = .cpu
    } else if case .gpu = device {
      self = .gpu
    } else {
      self = .neuralEngine
    }
  }
}

extension ModelFeature {
  fileprivate init(_ feature: MLFeatureDescription) {
    guard let array = feature.multiArrayConstraint else {
      self.init(dtype: "no array", shape: .unknown, isOptional: feature.isOptional)
      return
    }
    self.init(
      dtype: Self.name(array.dataType), shape: Self.shape(array), isOptional: feature.isOptional)
  }

  private static func name(_ type: MLMultiArrayDataType) -> String {
    if type == .float32 { return "float32" }
    if type == .int32 { return "int32" }
    if type == .float16 { return "float16" }
    return type == .double ? "float64" : "type \(type.rawValue)"
  }

  private static func shape(_ array: MLMultiArrayConstraint) -> Shape {
    let own = array.shape.map(\.intValue)
    let constraint = array.shapeConstraint
    if constraint.type == .range {
      let ranges = constraint.sizeRangeForDimension.map { size in
        // Whether the range's end counts is not documented: the larger reading is taken.
        let (least, length) = (size.rangeValue.location, size.rangeValue.length)
        let (most, isEndless) = least.addingReportingOverflow(length)
        return least...(isEndless ? Int.max : most)
      }
      return ranges.isEmpty ? .unknown : .ranges(ranges)
    }
    if constraint.type == .enumerated, constraint.enumeratedShapes.count > 1 {
      return .choice(constraint.enumeratedShapes.map { $0.map(\.intValue) })
    }
    return own.isEmpty ? .unknown : .fixed(own)
  }
}
