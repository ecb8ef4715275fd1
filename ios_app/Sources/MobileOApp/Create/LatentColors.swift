import MobileO

/// Shows a latent at no cost: a linear map from its channels to red, green and blue.
///
/// The map begins as the bundle has it, and is fitted by least squares to the pictures that were
/// decoded so far, as `mobileo-export serve` does it. Of a bundle that has none the channel that
/// varies most is shown in gray before the first of them, from its least value to its greatest.
package struct LatentColors: Sendable {
  private static let ridge = 1e-3
  /// Of a picture: what the bundle's map weighs.
  private static let belief = 0.25
  private let first: [[Double]]
  private var moments: [[Double]] = []
  private var targets: [[Double]] = []
  private var weights: [[Double]] = []

  /// Begins with the map of a manifest's decoder, if there is one.
  package init(_ preview: Manifest.Preview? = nil) {
    first = preview.map { map in zip(map.matrix, map.offset).map { $0 + [$1] } } ?? []
    weights = first
  }

  /// Takes in what became of a latent [1, C, h, w]: the image [1, 3, H, W], about −1 to 1.
  ///
  /// What does not fit together teaches nothing.
  package mutating func learn(_ latent: Tensor, _ image: Tensor) {
    guard let columns = Self.columns(latent), let colors = Self.colors(image, like: latent)
    else { return }
    let size = columns.count
    if moments.count != size {
      let begun = first.first?.count == size
      let belief = begun ? Self.belief * Double(columns[0].count) : Self.ridge
      moments = (0..<size).map { row in (0..<size).map { $0 == row ? belief : 0 } }
      targets =
        begun
        ? first.map { $0.map { $0 * belief } }
        : (0..<3).map { _ in [Double](repeating: 0, count: size) }
    }
    for row in 0..<size {
      for column in 0..<size {
        moments[row][column] += Self.dot(columns[row], columns[column])
      }
      for color in 0..<3 { targets[color][row] += Self.dot(colors[color], columns[row]) }
    }
    weights = Self.solved(moments, targets)
  }

  /// What `latent` [1, C, h, w] looks like, w × h pixels; nil of an array of another form.
  package func picture(of latent: Tensor) -> Picture? {
    guard let columns = Self.columns(latent) else { return nil }
    let places = latent.shape[2] * latent.shape[3]
    var planes: [[Double]]
    if weights.first?.count == columns.count {
      planes = weights.map { weights in
        (0..<places).map { place in
          zip(weights, columns).reduce(0) { $0 + $1.0 * $1.1[place] }
        }
      }
    } else {
      let spread = columns.dropLast().map { ($0.max() ?? 0) - ($0.min() ?? 0) }
      guard let widest = spread.indices.max(by: { spread[$0] < spread[$1] }) else { return nil }
      let (low, range) = (columns[widest].min() ?? 0, max(spread[widest], .leastNormalMagnitude))
      let gray = columns[widest].map { ($0 - low) / range * 2 - 1 }
      planes = [gray, gray, gray]
    }
    let image = planes.flatMap { $0.map { Float($0) } }
    let shape = [1, 3, latent.shape[2], latent.shape[3]]
    return try? Picture(image: Tensor(shape: shape, .float32(image)))
  }

  /// The channels of each place, and 1: C + 1 rows of h · w.
  private static func columns(_ latent: Tensor) -> [[Double]]? {
    guard latent.shape.count == 4, latent.shape[0] == 1, let values = try? latent.floats("latent"),
      values.count == latent.shape.reduce(1, *), !values.isEmpty
    else { return nil }
    let places = latent.shape[2] * latent.shape[3]
    let channels = (0..<latent.shape[1]).map { channel in
      values[channel * places..<(channel + 1) * places].map { Double($0) }
    }
    return channels + [[Double](repeating: 1, count: places)]
  }

  /// The mean color of the pixels that each place of the latent became: 3 rows of h · w.
  private static func colors(_ image: Tensor, like latent: Tensor) -> [[Double]]? {
    let (height, width) = (latent.shape[2], latent.shape[3])
    guard image.shape.count == 4, image.shape[0] == 1, image.shape[1] == 3,
      let values = try? image.floats("image"), values.count == image.shape.reduce(1, *),
      image.shape[2] % height == 0, image.shape[3] % width == 0
    else { return nil }
    let (down, across) = (image.shape[2] / height, image.shape[3] / width)
    return (0..<3).map { color in
      (0..<height * width).map { place in
        var sum = 0.0
        for y in 0..<down {
          let row = (color * image.shape[2] + place / width * down + y) * image.shape[3]
          for x in 0..<across { sum += Double(values[row + place % width * across + x]) }
        }
        return sum / Double(down * across)
      }
    }
  }

  private static func dot(_ left: [Double], _ right: [Double]) -> Double {
    zip(left, right).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// w of m · w = t for each t; m is symmetric and, by its ridge, positive (Cholesky).
  private static func solved(_ matrix: [[Double]], _ targets: [[Double]]) -> [[Double]] {
    let size = matrix.count
    var lower = matrix
    for row in 0..<size {
      for column in 0...row {
        let sum = (0..<column).reduce(matrix[row][column]) {
          $0 - lower[row][$1] * lower[column][$1]
        }
        lower[row][column] =
          row == column ? max(sum, ridge * ridge).squareRoot() : sum / lower[column][column]
      }
    }
    return targets.map { target in
      var found = target
      for row in 0..<size {
        for column in 0..<row { found[row] -= lower[row][column] * found[column] }
        found[row] /= lower[row][row]
      }
      for row in (0..<size).reversed() {
        for column in row + 1..<size { found[row] -= lower[column][row] * found[column] }
        found[row] /= lower[row][row]
      }
      return found
    }
  }
}
