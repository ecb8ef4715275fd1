extension Recipe.Preprocessing {
  /// What the vision encoder takes of `picture`: [1, 3, S, S] float32.
  ///
  /// Padded to a square, resized by Pillow's bicubic filter (equal to it byte for byte; other
  /// libraries' filters give other pixels), scaled.
  public func prepare(_ picture: Picture) -> Tensor {
    let side = max(picture.width, picture.height)
    let square = resized(picture, side: side)
    let plane = imageSize * imageSize
    var values = [Float](repeating: 0, count: plane * 3)
    for channel in 0..<3 {
      let table = (0..<256).map { level in
        (Float(level) * Float(rescale) - Float(mean[channel])) / Float(deviation[channel])
      }
      for place in 0..<plane {
        values[channel * plane + place] = table[Int(square[place * 3 + channel])]
      }
    }
    return Tensor(shape: [1, 3, imageSize, imageSize], .float32(values))
  }

  /// RGB bytes of `picture`, padded to `side` × `side` and resized to `imageSize` × `imageSize`.
  ///
  /// The square is never whole in memory: its rows are made one by one.
  private func resized(_ picture: Picture, side: Int) -> [UInt8] {
    let (left, top) = ((side - picture.width) / 2, (side - picture.height) / 2)
    let size = imageSize
    let taps = BicubicTaps(from: side, to: size)
    let empty = (0..<side).flatMap { _ in padColor }
    let emptyRow = side == size ? empty : taps.row(empty)
    var narrow: [UInt8] = []
    narrow.reserveCapacity(side * size * 3)
    for y in 0..<side {
      guard y >= top, y < top + picture.height else {
        narrow += emptyRow
        continue
      }
      var row = empty
      let start = (y - top) * picture.width * 3
      row.replaceSubrange(
        left * 3..<(left + picture.width) * 3, with: picture.rgb[start..<start + picture.width * 3])
      narrow += side == size ? row : taps.row(row)
    }
    return side == size ? narrow : taps.columns(narrow, width: size * 3)
  }
}

/// Pillow's bicubic filter along one axis: float64 weights made sum to 1, rounded to 22 bits behind
/// the point, summed as integers, back to 8 bits after each axis.
struct BicubicTaps {
  private static let bits: Int32 = 22
  private let size: Int
  private let reach: Int
  private let first: [Int]
  private let count: [Int]
  private let weights: [Int32]

  init(from source: Int, to target: Int) {
    let scale = Double(source) / Double(target)
    let stretch = max(scale, 1)
    let support = 2 * stretch
    reach = Int(support.rounded(.up)) * 2 + 1
    size = target
    var first: [Int] = []
    var count: [Int] = []
    var weights = [Int32](repeating: 0, count: target * reach)
    for x in 0..<target {
      let center = (Double(x) + 0.5) * scale
      let low = max(0, Int(center - support + 0.5))
      let high = min(source, Int(center + support + 0.5))
      let plain = (low..<high).map { Self.bicubic((Double($0) - center + 0.5) * (1 / stretch)) }
      let sum = plain.reduce(0, +)
      for (place, weight) in plain.enumerated() {
        let scaled = (sum == 0 ? weight : weight / sum) * Double(1 << Self.bits)
        weights[x * reach + place] = Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
      }
      first.append(low)
      count.append(high - low)
    }
    (self.first, self.count, self.weights) = (first, count, weights)
  }

  /// A row of RGB pixels, shortened or lengthened.
  func row(_ row: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: size * 3) { out, filled in
      row.withUnsafeBufferPointer { pixels in
        weights.withUnsafeBufferPointer { weights in
          for x in 0..<size {
            var (red, green, blue) = (half, half, half)
            var place = first[x] * 3
            for tap in x * reach..<x * reach + count[x] {
              let weight = weights[tap]
              red &+= Int32(pixels[place]) &* weight
              green &+= Int32(pixels[place + 1]) &* weight
              blue &+= Int32(pixels[place + 2]) &* weight
              place += 3
            }
            out[x * 3] = clipped(red)
            out[x * 3 + 1] = clipped(green)
            out[x * 3 + 2] = clipped(blue)
          }
        }
      }
      filled = size * 3
    }
  }

  /// All columns of rows of `width` bytes.
  func columns(_ rows: [UInt8], width: Int) -> [UInt8] {
    var sums = [Int32](repeating: 0, count: width)
    return [UInt8](unsafeUninitializedCapacity: size * width) { out, filled in
      rows.withUnsafeBufferPointer { rows in
        for y in 0..<size {
          for place in sums.indices { sums[place] = half }
          sums.withUnsafeMutableBufferPointer { sums in
            for tap in 0..<count[y] {
              let weight = weights[y * reach + tap]
              let start = (first[y] + tap) * width
              for place in 0..<width { sums[place] &+= Int32(rows[start + place]) &* weight }
            }
            for place in 0..<width { out[y * width + place] = clipped(sums[place]) }
          }
        }
      }
      filled = size * width
    }
  }

  private var half: Int32 { 1 << (Self.bits - 1) }

  @inline(__always)
  private func clipped(_ sum: Int32) -> UInt8 { UInt8(clamping: sum >> Self.bits) }

  private static func bicubic(_ distance: Double) -> Double {
    let a = -0.5
    let x = abs(distance)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }
}
