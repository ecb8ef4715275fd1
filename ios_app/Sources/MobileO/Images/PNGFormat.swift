/// The header of a PNG: how its samples become pixels.
struct PNGFormat {
  let width: Int
  let height: Int
  private let depth: Int
  private let color: Int
  private let interlaced: Bool
  private let channels: Int

  /// The header in the 13 bytes of `IHDR`.
  init(_ data: ArraySlice<UInt8>) throws {
    let bytes = Array(data)
    width = bytes[0..<4].reduce(0) { $0 << 8 | Int($1) }
    height = bytes[4..<8].reduce(0) { $0 << 8 | Int($1) }
    (depth, color, interlaced) = (Int(bytes[8]), Int(bytes[9]), bytes[12] == 1)
    let depths: [Int: [Int]] = [
      0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16],
    ]
    guard depths[color]?.contains(depth) == true, bytes[10] == 0, bytes[11] == 0, bytes[12] < 2
    else { throw MobileOError(.usage, "is a PNG of an unknown form; save it again") }
    channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][color] ?? 1
    let most = Picture.largestSide
    guard (1...most).contains(width), (1...most).contains(height) else {
      throw MobileOError(
        .usage,
        "is \(width) x \(height) pixels, at most \(most) x \(most) are read; make it smaller first")
    }
    if width * height > Picture.mostPixels {
      throw MobileOError(.usage, "has more than 178 million pixels; make it smaller first")
    }
  }

  /// Bytes of all rows with their filters.
  var size: Int {
    passes.reduce(0) { sum, pass in
      let (columns, rows) = extent(pass)
      return columns == 0 ? sum : sum + rows * (1 + rowBytes(columns))
    }
  }

  /// Samples of every pixel, row by row: as they are up to 8 bits, of 16 bits the upper byte; and of
  /// 16-bit grey the lower bytes.
  func samples(_ content: [UInt8]) throws -> (upper: [UInt8], lower: [UInt8]) {
    var lower = [UInt8](repeating: 0, count: hasLower ? width * height : 0)
    var samples = [UInt8](repeating: 0, count: width * height * channels)
    let distance = max(1, channels * depth / 8)
    var index = 0
    for pass in passes {
      let (columns, rows) = extent(pass)
      if columns == 0 { continue }
      let count = rowBytes(columns)
      var above = [UInt8](repeating: 0, count: count)
      for row in 0..<rows {
        let filter = Int(content[index])
        guard filter < 5 else {
          throw MobileOError(
            .usage, "cannot be read as a PNG (a row has an unknown filter); save it again")
        }
        var line = Array(content[index + 1..<index + 1 + count])
        index += 1 + count
        for x in 0..<count {
          let left = x < distance ? 0 : line[x - distance]
          let corner = x < distance ? 0 : above[x - distance]
          line[x] &+= Self.predicted(filter, left, above[x], corner)
        }
        let y = pass.y + row * pass.down
        for column in 0..<columns {
          let target = (y * width + pass.x + column * pass.across) * channels
          for channel in 0..<channels {
            samples[target + channel] = sample(line, column * channels + channel)
          }
          if hasLower { lower[target] = line[column * 2 + 1] }
        }
        above = line
      }
    }
    return (samples, lower)
  }

  private var hasLower: Bool { color == 0 && depth == 16 }

  /// RGB on black. A color that is declared transparent is found as Pillow finds it: of 16-bit grey
  /// by both bytes, of all others the lower byte of what is declared is compared with 8-bit samples.
  func rgb(
    _ found: (upper: [UInt8], lower: [UInt8]), palette: [UInt8], transparency: [UInt8]?
  ) -> [UInt8] {
    let samples = found.upper
    var rgb: [UInt8] = []
    rgb.reserveCapacity(width * height * 3)
    let scale = color == 0 && depth < 8 ? UInt8(255 / (1 << depth - 1)) : 1
    let declared = declared(transparency)
    for place in 0..<width * height {
      let start = place * channels
      switch color {
      case 0:
        let level = samples[start] * scale
        let own = hasLower ? [level, found.lower[place]] : [level]
        append(&rgb, level, level, level, alpha: declared == own ? 0 : 255)
      case 2:
        let own = Array(samples[start..<start + 3])
        append(&rgb, own[0], own[1], own[2], alpha: declared == own ? 0 : 255)
      case 3:
        let entry = Int(samples[start])
        let known = entry * 3 + 2 < palette.count
        let alpha = transparency.map { entry < $0.count ? $0[entry] : 255 } ?? 255
        append(
          &rgb, known ? palette[entry * 3] : 0, known ? palette[entry * 3 + 1] : 0,
          known ? palette[entry * 3 + 2] : 0, alpha: alpha)
      case 4:
        let level = samples[start]
        append(&rgb, level, level, level, alpha: samples[start + 1])
      default:
        append(
          &rgb, samples[start], samples[start + 1], samples[start + 2], alpha: samples[start + 3])
      }
    }
    return rgb
  }

  static func predicted(_ filter: Int, _ left: UInt8, _ up: UInt8, _ corner: UInt8) -> UInt8 {
    switch filter {
    case 1: return left
    case 2: return up
    case 3: return UInt8((Int(left) + Int(up)) / 2)
    case 4:
      let estimate = Int(left) + Int(up) - Int(corner)
      let (a, b) = (abs(estimate - Int(left)), abs(estimate - Int(up)))
      let c = abs(estimate - Int(corner))
      return a <= b && a <= c ? left : b <= c ? up : corner
    default: return 0
    }
  }

  /// The color that `tRNS` declares transparent, as samples compare with it.
  private func declared(_ transparency: [UInt8]?) -> [UInt8]? {
    guard let transparency, color == 0 || color == 2, transparency.count >= (color == 0 ? 2 : 6)
    else { return nil }
    if hasLower { return Array(transparency[..<2]) }
    if depth == 1 { return [transparency[0] | transparency[1] == 0 ? 0 : 255] }
    return stride(from: 1, to: color == 0 ? 2 : 6, by: 2).map { transparency[$0] }
  }

  private func append(
    _ rgb: inout [UInt8], _ red: UInt8, _ green: UInt8, _ blue: UInt8, alpha: UInt8
  ) {
    if alpha == 255 {
      rgb.append(red)
      rgb.append(green)
      rgb.append(blue)
      return
    }
    for level in [red, green, blue] {
      let product = UInt32(level) * UInt32(alpha) + 128
      rgb.append(UInt8((product >> 8 + product) >> 8))
    }
  }

  private func sample(_ line: [UInt8], _ place: Int) -> UInt8 {
    switch depth {
    case 16: line[place * 2]
    case 8: line[place]
    default:
      line[place * depth / 8] >> UInt8(8 - depth - place * depth % 8) & UInt8(1 << depth - 1)
    }
  }

  private func rowBytes(_ columns: Int) -> Int { (columns * channels * depth + 7) / 8 }

  private struct Pass {
    let x: Int
    let y: Int
    let across: Int
    let down: Int
  }

  /// The whole picture, or Adam7's seven.
  private var passes: [Pass] {
    if !interlaced { return [Pass(x: 0, y: 0, across: 1, down: 1)] }
    return [
      (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
      (0, 1, 1, 2),
    ].map { Pass(x: $0.0, y: $0.1, across: $0.2, down: $0.3) }
  }

  private func extent(_ pass: Pass) -> (columns: Int, rows: Int) {
    let columns = (width - pass.x + pass.across - 1) / pass.across
    let rows = (height - pass.y + pass.down - 1) / pass.down
    return rows <= 0 || columns <= 0 ? (0, 0) : (columns, rows)
  }
}
