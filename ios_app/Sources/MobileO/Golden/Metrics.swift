import Foundation

/// How far an array is from its reference, in double precision. See docs/golden.md, "Gates".
///
/// Whole-tensor figures hide local damage (one ruined token in 256 costs a PSNR little), so that
/// every comparison also looks at slices and names the worst one.
public struct Metrics: Sendable, Equatable {
  /// What the last axes mean: [N, C] tokens and their channels, [C, H, W] of an image or a latent, [V]
  /// scores over a vocabulary. Axes before them are batches or layers.
  public enum Layout: String, Sendable {
    case sequence, image, logits

    var rank: Int {
      switch self {
      case .sequence: 2
      case .image: 3
      case .logits: 1
      }
    }

    var families: [Family] {
      switch self {
      case .sequence: [.token, .channel]
      case .image: [.channel, .patch]
      case .logits: []
      }
    }
  }

  /// Which slices: tokens, channels, square patches (a sixteenth of the side, at least 4 wide).
  public enum Family: String, Sendable {
    case token, channel, patch
  }

  /// The slice of one family that differs most.
  public struct Slice: Sendable, Equatable {
    /// Which slices it is one of.
    public let family: Family
    /// Within the family, such as [17], or row and column of a patch.
    public let index: [Int]
    /// ‖found − reference‖ / max(‖reference‖, slice floor · rms slice norm).
    public let error: Double

    /// `patch 3,1`
    public var name: String {
      "\(family.rawValue) \(index.map(String.init).joined(separator: ","))"
    }
  }

  /// The largest |found − reference|; infinite with a value that is not finite, as are all errors.
  public let maxAbsolute: Double
  /// ‖found − reference‖ / ‖reference‖; infinite when only the reference is zero.
  public let relativeL2: Double
  /// dB, of the peak max |reference|; infinite for equal arrays.
  public let psnr: Double
  /// The worst slice of each family, the worst of all first.
  public let worst: [Slice]

  /// The error of the worst slice; 0 for a layout that has none.
  public var worstSlice: Double { worst.first?.error ?? 0 }

  private static let largest = 1e150

  /// Measures `found` against `reference`, both of `shape`.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: the sizes differ or do not fit the layout.
  public init(
    reference: [Float], found: [Float], shape: [Int], layout: Layout, sliceFloor: Double
  ) throws {
    guard shape.count >= layout.rank, reference.count == found.count, !reference.isEmpty,
      reference.count == shape.reduce(1, *)
    else {
      throw MobileOError(
        .usage, "arrays of \(reference.count) and \(found.count) values are no two \(layout)s")
    }
    if !zip(reference, found).allSatisfy({ $0.isFinite && $1.isFinite }) {
      let finite = zip(reference, found).map { $0.isFinite && $1.isFinite }
      (maxAbsolute, relativeL2, psnr) = (.infinity, .infinity, -.infinity)
      worst = layout.families.map { family in
        let slices = Slices(shape, layout, family)
        let place = slices.members().firstIndex { $0.contains { !finite[$0] } } ?? 0
        return Slice(family: family, index: slices.index(place), error: .infinity)
      }
      return
    }
    var (noise, energy, peak, furthest) = (0.0, 0.0, 0.0, 0.0)
    for (truth, value) in zip(reference, found) {
      let error = Double(value) - Double(truth)
      noise += error * error
      energy += Double(truth) * Double(truth)
      peak = max(peak, abs(Double(truth)))
      furthest = max(furthest, abs(error))
    }
    maxAbsolute = furthest
    relativeL2 = Self.quotient(noise, energy).squareRoot()
    psnr = Self.decibel(peak * peak, noise / Double(reference.count))
    worst = layout.families.map { family in
      Self.worst(Slices(shape, layout, family), reference, found, sliceFloor)
    }.sorted { $0.error > $1.error }
  }

  private static func worst(
    _ slices: Slices, _ reference: [Float], _ found: [Float], _ floor: Double
  ) -> Slice {
    var norms: [Double] = []
    var errors: [Double] = []
    for members in slices.members() {
      var (norm, error) = (0.0, 0.0)
      for place in members {
        let truth = Double(reference[place])
        let difference = Double(found[place]) - truth
        norm += truth * truth
        error += difference * difference
      }
      norms.append(norm.squareRoot())
      errors.append(error.squareRoot())
    }
    let mean = norms.reduce(0) { $0 + $1 * $1 } / Double(norms.count)
    let least = floor * mean.squareRoot()
    var (place, largest) = (0, -1.0)
    for (index, norm) in norms.enumerated() {
      let error = quotient(errors[index], max(norm, least))
      if error > largest { (place, largest) = (index, error) }
    }
    return Slice(family: slices.family, index: slices.index(place), error: largest)
  }

  private static func quotient(_ part: Double, _ whole: Double) -> Double {
    whole == 0 ? (part == 0 ? 0 : .infinity) : part / whole
  }

  private static func decibel(_ signal: Double, _ noise: Double) -> Double {
    noise == 0 ? .infinity : signal == 0 ? -.infinity : 10 * log10(signal / noise)
  }
}

/// One family of slices of an array: which values belong to each.
private struct Slices {
  let family: Metrics.Family
  /// Of the slices' index; a leading axis of size 1 is no part of it.
  private let shape: [Int]
  private let lead: Int
  private let sizes: [Int]
  private let side: Int

  init(_ array: [Int], _ layout: Metrics.Layout, _ family: Metrics.Family) {
    self.family = family
    sizes = Array(array.suffix(layout.rank))
    let before = Array(array.dropLast(layout.rank))
    lead = before.reduce(1, *)
    let shown = before.first == 1 ? Array(before.dropFirst()) : before
    let larger = sizes.suffix(2).max() ?? 1
    side = max(4, (larger + 15) / 16)
    switch (family, layout) {
    case (.token, _): shape = shown + [sizes[0]]
    case (.channel, .sequence): shape = shown + [sizes[1]]
    case (.channel, _): shape = shown + [sizes[0]]
    case (.patch, _):
      shape = shown + [(sizes[1] + side - 1) / side, (sizes[2] + side - 1) / side]
    }
  }

  /// Places of the values of each slice, slice by slice.
  func members() -> [[Int]] {
    let block = sizes.reduce(1, *)
    return (0..<lead).flatMap { batch in
      within().map { members in members.map { batch * block + $0 } }
    }
  }

  func index(_ place: Int) -> [Int] {
    var rest = place
    return shape.reversed().map { size in
      defer { rest /= size }
      return rest % size
    }.reversed()
  }

  private func within() -> [[Int]] {
    switch (family, sizes.count) {
    case (.token, _): return (0..<sizes[0]).map { Array($0 * sizes[1]..<($0 + 1) * sizes[1]) }
    case (.channel, 2):
      return (0..<sizes[1]).map { channel in (0..<sizes[0]).map { $0 * sizes[1] + channel } }
    case (.channel, _):
      let plane = sizes[1] * sizes[2]
      return (0..<sizes[0]).map { Array($0 * plane..<($0 + 1) * plane) }
    case (.patch, _):
      let (height, width) = (sizes[1], sizes[2])
      var found: [[Int]] = []
      for top in stride(from: 0, to: height, by: side) {
        for left in stride(from: 0, to: width, by: side) {
          var members: [Int] = []
          for channel in 0..<sizes[0] {
            for y in top..<min(top + side, height) {
              let row = (channel * height + y) * width
              members += row + left..<row + min(left + side, width)
            }
          }
          found.append(members)
        }
      }
      return found
    }
  }
}
