// Stand-in for Core AI on Linux: signatures only.
@_exported import Foundation

/// developer.apple.com/documentation/coreai/aimodel
@available(macOS 27, iOS 27, *)
public struct AIModel: Sendable {
  /// developer.apple.com/documentation/coreai/aimodel/init(contentsof:options:)
  public init(
    contentsOf modelURL: URL, options: SpecializationOptions = .default
  ) async throws { standIn() }
  /// developer.apple.com/documentation/coreai/aimodel/functionnames
  public var functionNames: [String] { standIn() }
  /// developer.apple.com/documentation/coreai/aimodel/loadfunction(named:)
  public func loadFunction(named functionName: String) throws -> InferenceFunction? { standIn() }
}

/// developer.apple.com/documentation/coreai/specializationoptions
@available(macOS 27, iOS 27, *)
public struct SpecializationOptions: Hashable, Sendable {
  /// developer.apple.com/documentation/coreai/specializationoptions/default
  public static var `default`: SpecializationOptions { standIn() }
  /// developer.apple.com/documentation/coreai/specializationoptions/cpuonly
  public static var cpuOnly: SpecializationOptions { standIn() }
  /// developer.apple.com/documentation/coreai/specializationoptions/expectfrequentreshapes
  public var expectFrequentReshapes: Bool {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/coreai/inferencefunction
@available(macOS 27, iOS 27, *)
public struct InferenceFunction: Sendable {
  /// developer.apple.com/documentation/coreai/inferencefunction/descriptor
  public let descriptor: InferenceFunctionDescriptor
  /// developer.apple.com/documentation/coreai/inferencefunction/run(inputs:states:outputviews:)-mqfb
  public func run(
    inputs: [String: NDArray], states: consuming MutableViews = MutableViews(),
    outputViews: consuming MutableViews = MutableViews()
  ) async throws -> Outputs { standIn() }

  /// developer.apple.com/documentation/coreai/inferencefunction/mutableviews
  public struct MutableViews: ~Copyable, ~Escapable {
    /// developer.apple.com/documentation/coreai/inferencefunction/mutableviews/init()
    @_lifetime(immortal)
    public init() { standIn() }
  }

  /// developer.apple.com/documentation/coreai/inferencefunction/outputs
  public struct Outputs: ~Copyable {
    /// developer.apple.com/documentation/coreai/inferencefunction/outputs/remove(_:)
    public mutating func remove(_ name: String) -> InferenceValue? { standIn() }
  }
}

/// developer.apple.com/documentation/coreai/inferencefunctiondescriptor
@available(macOS 27, iOS 27, *)
public struct InferenceFunctionDescriptor: Sendable {
  /// developer.apple.com/documentation/coreai/inferencefunctiondescriptor/inputnames
  public var inputNames: [String] { standIn() }
  /// developer.apple.com/documentation/coreai/inferencefunctiondescriptor/inputdescriptor(of:)
  public func inputDescriptor(of inputName: String) -> InferenceValue.Descriptor? { standIn() }
  /// developer.apple.com/documentation/coreai/inferencefunctiondescriptor/outputnames
  public var outputNames: [String] { standIn() }
  /// developer.apple.com/documentation/coreai/inferencefunctiondescriptor/outputdescriptor(of:)
  public func outputDescriptor(of outputName: String) -> InferenceValue.Descriptor? { standIn() }
  /// developer.apple.com/documentation/coreai/inferencefunctiondescriptor/statenames
  public var stateNames: [String] { standIn() }
}

/// developer.apple.com/documentation/coreai/inferencevalue
@available(macOS 27, iOS 27, *)
public struct InferenceValue: ~Copyable {
  /// developer.apple.com/documentation/coreai/inferencevalue/ndarray
  public var ndArray: NDArray? {
    consuming get { standIn() }
  }

  /// developer.apple.com/documentation/coreai/inferencevalue/descriptor
  public enum Descriptor: Sendable {
    case image(ImageDescriptor)
    case ndArray(NDArrayDescriptor)
  }
}

/// developer.apple.com/documentation/coreai/imagedescriptor
@available(macOS 27, iOS 27, *)
public struct ImageDescriptor: Equatable, Sendable {}

func standIn(_ name: StaticString = #function) -> Never {
  fatalError("\(name): a stand-in, which computes nothing")
}
