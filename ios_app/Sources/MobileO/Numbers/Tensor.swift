/// An array of numbers in C order: what components take and give.
public struct Tensor: Sendable, Equatable {
  /// The numbers, of one of the three types that cross a component's border.
  public enum Values: Sendable, Equatable {
    case float32([Float])
    case int32([Int32])
    case uint8([UInt8])

    /// How many there are.
    public var count: Int {
      switch self {
      case .float32(let values): values.count
      case .int32(let values): values.count
      case .uint8(let values): values.count
      }
    }
  }

  /// Sizes, the slowest first.
  public let shape: [Int]
  /// As many as the product of ``shape``.
  public let values: Values

  /// An array of `shape`.
  ///
  /// Where `values` are not as many as `shape` asks for, the array is flat: a component then refuses
  /// it by its shape.
  public init(shape: [Int], _ values: Values) {
    let fits = shape.reduce(1, *) == values.count
    self.shape = fits ? shape : [values.count]
    self.values = values
  }

  /// `float32`, `int32` or `uint8`.
  public var dtype: String {
    switch values {
    case .float32: "float32"
    case .int32: "int32"
    case .uint8: "uint8"
    }
  }

  /// How many numbers it holds.
  public var count: Int { values.count }

  /// The numbers of a float32 array.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: it is of another type; `name` stands in the error.
  public func floats(_ name: String) throws -> [Float] {
    if case .float32(let values) = values { return values }
    throw MobileOError(.session, "\(name) is \(dtype), expected float32; export the bundle again")
  }

  /// The numbers of an int32 array.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: it is of another type; `name` stands in the error.
  public func integers(_ name: String) throws -> [Int32] {
    if case .int32(let values) = values { return values }
    throw MobileOError(.session, "\(name) is \(dtype), expected int32; export the bundle again")
  }

  /// `float32 [1, 32, 16, 16]`, for errors.
  public var summary: String { "\(dtype) [\(shape.map(String.init).joined(separator: ", "))]" }
}

extension Tensor {
  /// What lies at `index` along the first axis, which stays with one size.
  package func row(_ index: Int) -> Tensor {
    let size = shape.dropFirst().reduce(1, *)
    let range = index * size..<(index + 1) * size
    let shape = [1] + shape.dropFirst()
    switch values {
    case .float32(let values): return Tensor(shape: shape, .float32(Array(values[range])))
    case .int32(let values): return Tensor(shape: shape, .int32(Array(values[range])))
    case .uint8(let values): return Tensor(shape: shape, .uint8(Array(values[range])))
    }
  }

  /// Arrays of float32 one behind the other along the first axis; their other sizes are equal.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: one is of another type; `name` stands in the error.
  package static func joined(_ arrays: [Tensor], _ name: String) throws -> Tensor {
    let count = arrays.reduce(0) { $0 + ($1.shape.first ?? 0) }
    return try Tensor(
      shape: [count] + (arrays.first?.shape.dropFirst() ?? []),
      .float32(arrays.flatMap { try $0.floats(name) }))
  }
}
