import MLX

/// A convolution over [B, H, W, C] with zeros around, that keeps a picture's sides or divides them by
/// `stride`.
struct Convolution {
  /// [O, k, k, I] with an odd k, turned by half a turn where it is `flipped`.
  let weight: MLXArray
  let bias: MLXArray?
  let stride: Int
  let groups: Int
  let flipped: Bool

  /// Where a band does not end at the picture's edge, the rows that the kernel reaches to are taken from
  /// it: the result is as many rows shorter.
  func callAsFunction(_ x: MLXArray, _ edges: Edges = .whole) -> MLXArray {
    let reach = weight.dim(1) / 2
    var (x, rows) = (x, 0)
    if edges.above, edges.below {
      rows = reach
    } else if reach > 0, edges.above || edges.below {
      let zeros = MLXArray.zeros([x.dim(0), reach, x.dim(2), x.dim(3)], dtype: x.dtype)
      x = concatenated(edges.above ? [zeros, x] : [x, zeros], axis: 1)
    }
    let result = convGeneral(
      x, weight, strides: IntOrArray([stride, stride]), padding: IntOrArray([rows, reach]),
      groups: groups, flip: flipped)
    return bias.map { result + $0 } ?? result
  }
}

/// A convolution of each channel for itself, into one or more channels.
///
/// One of its parts makes the first channel of each, another the second: Metal's depthwise kernel makes
/// one channel of one, and is the only fast one there.
struct DepthwiseConvolution {
  let parts: [Convolution]
  let bias: MLXArray?

  func callAsFunction(_ x: MLXArray, _ edges: Edges = .whole) -> MLXArray {
    let made = parts.map { $0(x, edges) }
    let first = made[0]
    let result =
      made.count == 1
      ? first
      : stacked(made, axis: -1).reshaped(
        first.dim(0), first.dim(1), first.dim(2), first.dim(3) * made.count)
    return bias.map { result + $0 } ?? result
  }
}

extension Weights {
  /// The convolution `name` of all channels, with its bias where it has one.
  ///
  /// Metal would compute one of 3 × 3 as Winograd's F(6, 3), and keep its intermediates in the operands'
  /// type: in half precision that is 35 times less exact, and can leave its range. A flipped kernel is
  /// computed directly, with sums in float32.
  mutating func convolution(_ name: String, stride: Int = 1) throws -> Convolution {
    var weight = try take(name + ".weight")
    let flipped = weight.dim(1) > 1 && !isOnCPU
    if flipped { weight = turned(turned(weight, axis: 1), axis: 2) }
    return Convolution(
      weight: weight, bias: try bias(name), stride: stride, groups: 1, flipped: flipped)
  }

  /// The convolution `name` of each channel for itself, into `multiplier` channels.
  mutating func depthwise(
    _ name: String, multiplier: Int = 1, stride: Int = 1
  ) throws -> DepthwiseConvolution {
    let weight = try take(name + ".weight")
    let (groups, side) = (weight.dim(0) / multiplier, weight.dim(1))
    let parts = weight.reshaped(groups, multiplier, side, side, 1)
    return DepthwiseConvolution(
      parts: (0..<multiplier).map { index in
        Convolution(
          weight: contiguous(parts[0..., index]), bias: nil, stride: stride, groups: groups,
          flipped: false)
      }, bias: try bias(name))
  }

  private mutating func bias(_ name: String) throws -> MLXArray? {
    file.parameters[name + ".bias"] == nil ? nil : try take(name + ".bias")
  }

  /// The other way round along an axis.
  private func turned(_ x: MLXArray, axis: Int) -> MLXArray {
    concatenated(split(x, parts: x.dim(axis), axis: axis).reversed(), axis: axis)
  }
}
