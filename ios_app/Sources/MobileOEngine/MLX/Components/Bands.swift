import MLX

/// Whether a picture ends above a band of its rows, and below it.
struct Edges {
  static let whole = Edges(above: true, below: true)

  let above: Bool
  let below: Bool
}

/// Pictures in bands of rows: an activation of the decoder has 67 MB in half precision at 512 pixels, and
/// hardly more than one may lie beside 1.9 GB of weights. What a band was computed from is let go of.
enum Bands {
  /// Numbers of one activation of a band: 2 MB in half precision.
  private static let size = 1 << 20

  /// How many rows, or whatever else has as many `values`, are computed at a time.
  static func atOnce(_ values: Int) -> Int { max(1, size / values) }

  /// `x` [1, H, W, C] in bands of about the same height, the first row first.
  ///
  /// - Parameters:
  ///   - values: how many numbers an activation has in one of its rows.
  ///   - step: that the height of each is a multiple of, as H is.
  static func split(_ x: MLXArray, values: Int, step: Int = 1) -> [MLXArray] {
    let (height, units) = (x.dim(1), x.dim(1) / step)
    let most = max(4, atOnce(values))
    let count = min(units, (height + most - 1) / most)
    if count <= 1 { return [x] }
    let bounds = (0...count).map { units * $0 / count * step }
    return zip(bounds, bounds.dropFirst()).map { x[0..., $0..<$1] }
  }

  /// What `compute` makes of each of `bands`, given rows of its neighbours around it, and told at which of
  /// them the picture ends.
  ///
  /// - Parameters:
  ///   - bands: emptied on the way.
  ///   - above: rows of the band before, where there is one.
  ///   - below: rows of the band after.
  static func map(
    _ bands: inout [MLXArray], above: Int, below: Int,
    _ compute: (MLXArray, Edges) -> MLXArray
  ) -> [MLXArray] {
    let count = bands.count
    var made: [MLXArray] = []
    var before: MLXArray?
    for index in 0..<count {
      let band = bands.removeFirst()
      var rows = [band]
      if let before, above > 0 { rows.insert(before, at: 0) }
      if let next = bands.first, below > 0 { rows.append(next[0..., ..<below]) }
      before = band[0..., (band.dim(1) - above)...]
      made.append(
        evaluated(
          compute(joined(rows), Edges(above: index == 0, below: index == count - 1))))
    }
    return made
  }

  /// The bands as one picture.
  static func joined(_ bands: [MLXArray]) -> MLXArray {
    bands.count == 1 ? bands[0] : concatenated(bands, axis: 1)
  }

  /// `x` without its `rows` first and last, where the picture does not end.
  static func inner(_ x: MLXArray, _ rows: Int, _ edges: Edges) -> MLXArray {
    let (above, below) = (edges.above ? 0 : rows, edges.below ? 0 : rows)
    return above + below == 0 ? x : x[0..., above..<x.dim(1) - below]
  }
}

/// `x`, computed now, so that what it was computed from can go.
func evaluated(_ x: MLXArray) -> MLXArray {
  eval(x)
  return x
}
