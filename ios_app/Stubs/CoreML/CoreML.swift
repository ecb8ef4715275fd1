// Stand-in for Core ML on Linux: signatures only.
@_exported import Foundation

/// developer.apple.com/documentation/coreml/mlmodel
///
/// Not Sendable: one thread or queue at a time.
open class MLModel: NSObject {
  /// developer.apple.com/documentation/coreml/mlmodel/load(contentsof:configuration:)
  @available(macOS 12, iOS 15, *)
  public class func load(
    contentsOf url: URL, configuration: MLModelConfiguration = MLModelConfiguration()
  ) async throws -> MLModel { standIn() }
  /// developer.apple.com/documentation/coreml/mlmodel/compilemodel(at:)-45ao6
  @available(macOS 13, iOS 16, *)
  public class func compileModel(at url: URL) async throws -> URL { standIn() }
  /// developer.apple.com/documentation/coreml/mlmodel/modeldescription
  open var modelDescription: MLModelDescription { standIn() }
  /// developer.apple.com/documentation/coreml/mlmodel/prediction(from:)-7vsm8
  @available(macOS 15, iOS 18, *)
  public func prediction(from inputs: [String: MLTensor]) async throws -> [String: MLTensor] {
    standIn()
  }
}

/// developer.apple.com/documentation/coreml/mlmodelconfiguration
open class MLModelConfiguration: NSObject {
  /// developer.apple.com/documentation/coreml/mlmodelconfiguration/computeunits
  open var computeUnits: MLComputeUnits {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/coreml/mlmodelconfiguration/allowlowprecisionaccumulationongpu
  open var allowLowPrecisionAccumulationOnGPU: Bool {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/coreml/mlmodelconfiguration/functionname
  @available(macOS 15, iOS 18, *)
  open var functionName: String? {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/coreml/mlmodelconfiguration/optimizationhints-1oq0g
  @available(macOS 14.4, iOS 17.4, *)
  public var optimizationHints: MLOptimizationHints {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/coreml/mlcomputeunits
public enum MLComputeUnits: Int, Sendable {
  case cpuOnly = 0
  case cpuAndGPU = 1
  case all = 2
  @available(macOS 13, iOS 16, *)
  case cpuAndNeuralEngine = 3
}

/// developer.apple.com/documentation/coreml/mloptimizationhints-swift.struct
@available(macOS 14.4, iOS 17.4, *)
public struct MLOptimizationHints: Equatable, Sendable {
  /// developer.apple.com/documentation/coreml/mloptimizationhints-swift.struct/reshapefrequency-swift.enum
  public enum ReshapeFrequency: Int, Sendable {
    case frequent
    case infrequent
  }
  /// developer.apple.com/documentation/coreml/mloptimizationhints-swift.struct/reshapefrequency-swift.property
  public var reshapeFrequency: ReshapeFrequency {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/coreml/mloptimizationhints-swift.struct/init()
  public init() { standIn() }
}

/// developer.apple.com/documentation/coreml/mlmodeldescription
open class MLModelDescription: NSObject {
  /// developer.apple.com/documentation/coreml/mlmodeldescription/inputdescriptionsbyname
  open var inputDescriptionsByName: [String: MLFeatureDescription] { standIn() }
  /// developer.apple.com/documentation/coreml/mlmodeldescription/outputdescriptionsbyname
  open var outputDescriptionsByName: [String: MLFeatureDescription] { standIn() }
}

/// developer.apple.com/documentation/coreml/mlfeaturedescription
open class MLFeatureDescription: NSObject {
  /// developer.apple.com/documentation/coreml/mlfeaturedescription/isoptional
  open var isOptional: Bool { standIn() }
  /// developer.apple.com/documentation/coreml/mlfeaturedescription/multiarrayconstraint
  open var multiArrayConstraint: MLMultiArrayConstraint? { standIn() }
}

/// developer.apple.com/documentation/coreml/mlmultiarrayconstraint
open class MLMultiArrayConstraint: NSObject {
  /// developer.apple.com/documentation/coreml/mlmultiarrayconstraint/shape
  open var shape: [NSNumber] { standIn() }
  /// developer.apple.com/documentation/coreml/mlmultiarrayconstraint/datatype
  open var dataType: MLMultiArrayDataType { standIn() }
  /// developer.apple.com/documentation/coreml/mlmultiarrayconstraint/shapeconstraint
  open var shapeConstraint: MLMultiArrayShapeConstraint { standIn() }
}

/// developer.apple.com/documentation/coreml/mlmultiarrayshapeconstraint
open class MLMultiArrayShapeConstraint: NSObject {
  /// developer.apple.com/documentation/coreml/mlmultiarrayshapeconstraint/type
  open var type: MLMultiArrayShapeConstraintType { standIn() }
  /// developer.apple.com/documentation/coreml/mlmultiarrayshapeconstraint/sizerangefordimension
  open var sizeRangeForDimension: [NSValue] { standIn() }
  /// developer.apple.com/documentation/coreml/mlmultiarrayshapeconstraint/enumeratedshapes
  open var enumeratedShapes: [[NSNumber]] { standIn() }
}

/// developer.apple.com/documentation/coreml/mlmultiarrayshapeconstrainttype
public enum MLMultiArrayShapeConstraintType: Int, Sendable {
  case unspecified = 1
  case enumerated = 2
  case range = 3
}

/// developer.apple.com/documentation/coreml/mlmultiarraydatatype
public enum MLMultiArrayDataType: Int, Sendable {
  case double = 65600
  case float32 = 65568
  case float16 = 65552
  case int32 = 131104
}

func standIn(_ name: StaticString = #function) -> Never {
  fatalError("\(name): a stand-in, which computes nothing")
}
