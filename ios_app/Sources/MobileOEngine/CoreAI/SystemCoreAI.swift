import Foundation
import MobileO

#if canImport(CoreAI)
  import CoreAI
#endif

/// Core AI itself, where the app was built with it and the system has it.
public enum SystemCoreAI {
  /// Asked for where a component needs it; nothing is loaded by that.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: it is not here.
  public static func runtime() throws -> any CoreAIRuntime {
    #if canImport(CoreAI)
      if #available(iOS 27, macOS 27, *) { return SystemAssets() }
      throw MobileOError(.usage, "Core AI is not in this system; update it to iOS or macOS 27")
    #elseif targetEnvironment(simulator)
      throw MobileOError(
        .usage,
        "Core AI does not run in the Simulator; use a device, or mobileo-export serve on the Mac")
    #else
      throw MobileOError(.usage, "this app was built without Core AI; build it with Xcode 27")
    #endif
  }
}

#if canImport(CoreAI)
  @available(iOS 27, macOS 27, *)
  private struct SystemAssets: CoreAIRuntime {
    func load(_ asset: URL, _ options: AssetOptions) async throws -> any CoreAIModel {
      var found: SpecializationOptions = options.units == .cpuOnly ? .cpuOnly : .default
      found.expectFrequentReshapes = options.reshapesOften
      return try SystemAsset(await AIModel(contentsOf: asset, options: found))
    }
  }

  @available(iOS 27, macOS 27, *)
  private final class SystemAsset: CoreAIModel {
    let functions: [String: AssetFunction]
    /// They hold the weights; the model does not.
    private let loaded: [String: InferenceFunction]

    init(_ model: AIModel) throws {
      var loaded: [String: InferenceFunction] = [:]
      for name in model.functionNames { loaded[name] = try model.loadFunction(named: name) }
      self.loaded = loaded
      functions = loaded.mapValues { AssetFunction($0.descriptor) }
    }

    func run(_ function: String, _ inputs: [String: Tensor]) async throws -> [String: Tensor] {
      guard let function = loaded[function] else {
        throw MobileOError(.bundle, "the asset has no function \(function); export it again")
      }
      let given = try inputs.mapValues { try NDArray($0) }
      var outputs = try await function.run(inputs: given)
      var found: [String: Tensor] = [:]
      for name in function.descriptor.outputNames {
        guard let value = outputs.remove(name), let array = value.ndArray else { continue }
        found[name] = try Tensor(name, array)
      }
      return found
    }
  }

  @available(iOS 27, macOS 27, *)
  extension NDArray {
    /// A copy, packed: where a compute unit wants another layout, Core AI makes it.
    fileprivate init(_ tensor: Tensor) throws {
      switch tensor.values {
      case .float32(let values): self.init(scalars: values, shape: tensor.shape)
      case .int32(let values): self.init(scalars: values, shape: tensor.shape)
      case .uint8: throw MobileOError(.session, "Core AI takes no uint8 array; export again")
      }
    }

    /// The numbers in C order; nil where they lie interleaved, or with negative strides.
    fileprivate func packed<Scalar: BitwiseCopyable>(_ type: Scalar.Type) -> [Scalar]? {
      let view = view(as: type)
      if view.interleaveLayout != nil { return nil }
      return view.withUnsafePointer { first, sizes, steps in
        let shape = sizes.indices.map { sizes[$0] }
        let strides = steps.indices.map { steps[$0] }
        let last = zip(shape, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 }
        return MobileOEngine.packed(
          UnsafeBufferPointer(start: first, count: max(0, last + 1)), shape: shape,
          strides: strides)
      }
    }
  }

  @available(iOS 27, macOS 27, *)
  extension Tensor {
    fileprivate init(_ name: String, _ array: NDArray) throws {
      switch array.scalarType {
      case .float32:
        self.init(shape: array.shape, .float32(try whole(array.packed(Float.self), name)))
      case .int32:
        self.init(shape: array.shape, .int32(try whole(array.packed(Int32.self), name)))
      default:
        throw MobileOError(
          .session, "\(name) came as \(array.scalarType), not as float32 or int32; export again")
      }
    }
  }

  private func whole<Scalar>(_ values: [Scalar]?, _ name: String) throws -> [Scalar] {
    if let values { return values }
    throw MobileOError(.session, "\(name) came in a layout that nobody here reads; report this")
  }

  @available(iOS 27, macOS 27, *)
  extension AssetFunction {
    fileprivate init(_ function: InferenceFunctionDescriptor) {
      // No asset of ours keeps a state: as an input that the manifest does not name it is refused.
      let states = function.stateNames.map { ($0, ModelFeature(dtype: "a state", shape: .unknown)) }
      let inputs = function.inputNames.map { ($0, ModelFeature(function.inputDescriptor(of: $0))) }
      let outputs = function.outputNames.map {
        ($0, ModelFeature(function.outputDescriptor(of: $0)))
      }
      self.init(
        inputs: Dictionary(states + inputs) { $1 }, outputs: Dictionary(outputs) { $1 })
    }
  }

  @available(iOS 27, macOS 27, *)
  extension ModelFeature {
    fileprivate init(_ value: InferenceValue.Descriptor?) {
      guard case .ndArray(let array) = value else {
        self.init(dtype: "no array", shape: .unknown)
        return
      }
      // A size that varies is -1, without bounds.
      let ranges = array.shape.map { $0 < 0 ? 1...Int.max : $0...$0 }
      self.init(dtype: "\(array.scalarType)", shape: .ranges(ranges))
    }
  }
#endif
