/// What a component takes of memory, in bytes.
public struct Footprint: Sendable, Equatable {
  /// As long as it is loaded, whether it runs or not.
  public let weights: Int
  /// More while it runs; what it is given and what it gives included.
  public let activations: Int
  /// What it gives, which is held until the next component is done with it.
  public let results: Int

  /// As measured, or as ``of(_:activations:)`` takes it from a manifest. Less than nothing is nothing.
  public init(weights: Int, activations: Int, results: Int = 0) {
    self.weights = max(0, weights)
    self.activations = max(0, activations)
    self.results = max(0, results)
  }

  /// Every component of a bundle.
  ///
  /// Weights are the files of its artifact: whether a runtime maps or copies them is not documented, so
  /// copies are planned for. A package that stores fewer bits than it computes with may be widened as it
  /// is loaded, which is not documented either, and is planned for too. A manifest does not say what happens inside a component: without a measured
  /// figure in `activations` only the arrays that cross its border count, at their largest; of an asset
  /// of several functions theirs too, a language model's keys and values among them.
  public static func of(
    _ manifest: Manifest, activations: [String: Int] = [:]
  ) -> [String: Footprint] {
    Dictionary(
      uniqueKeysWithValues: manifest.components.map { name, component in
        let path = component.artifacts.first?.path ?? ""
        let files = manifest.files.filter { $0.path == path || $0.path.hasPrefix(path + "/") }
        let stored = files.reduce(0) { $0.plus($1.size) }
        let given = component.outputs.reduce(0) { $0.plus($1.largestSize) }
        let crossing = component.inputs.reduce(given) { $0.plus($1.largestSize) }
          .plus(component.artifacts.first?.cached ?? 0)
        return (
          name,
          Footprint(
            weights: component.artifacts.first?.widened(stored) ?? stored,
            activations: activations[name].map { $0.plus(crossing) } ?? crossing, results: given)
        )
      })
  }
}

extension Manifest.Artifact {
  /// What crosses the border of its functions, of which the largest counts; a board's graphs are no
  /// part of this process.
  fileprivate var cached: Int {
    guard kind == "aimodel" else { return 0 }
    return graphs.map { graph in
      (graph.inputs + graph.outputs).reduce(0) { $0.plus($1.largestSize) }
    }.max() ?? 0
  }

  /// What `bytes` of a package take when every number has the bits that it is computed with.
  fileprivate func widened(_ bytes: Int) -> Int {
    let computed = computePrecision == "float16" ? 16.0 : 32.0
    guard kind == "mlpackage", let storedBits, storedBits < computed else { return bytes }
    return Int(exactly: (Double(bytes) * computed / storedBits).rounded(.up)) ?? .max
  }
}

extension TensorSignature {
  /// In bytes, where each size is as large as it can be; all types here have four a number.
  fileprivate var largestSize: Int { shape.reduce(4) { $0.times($1.largest) } }
}
