import Foundation
import MobileO
import Testing

@testable import MobileOEngine

/// What becomes of a system's pixels.
@Suite struct PictureTests {
  /// A picture of a few pixels, drawn as Core Graphics draws: multiplied, into rows of any length.
  private struct Drawn: EncodedPicture {
    var kind = EncodedPictureKind.picture
    var width: Int
    var height: Int
    var orientation = 1
    var isComplete = true
    var draws = true
    /// Red, green, blue and opacity.
    var pixel: @Sendable (_ x: Int, _ y: Int) -> [UInt8] = { x, y in
      [UInt8(x % 251), UInt8(y % 241), UInt8((x + y) % 239), 255]
    }

    func draw(
      first: Int, count: Int, into bytes: UnsafeMutableRawBufferPointer, bytesPerRow: Int
    ) -> Bool {
      guard draws, bytesPerRow >= width * 4, bytes.count >= bytesPerRow * count,
        bytes.allSatisfy({ $0 == 0 })
      else { return false }
      for y in 0..<count {
        for x in 0..<width {
          let color = pixel(x, first + y)
          for channel in 0..<3 {
            let product = Int(color[channel]) * Int(color[3])
            bytes[y * bytesPerRow + x * 4 + channel] = UInt8((product + 127) / 255)
          }
          bytes[y * bytesPerRow + x * 4 + 3] = color[3]
        }
        // What lies behind the pixels of a row is no part of it.
        for place in width * 4..<bytesPerRow { bytes[y * bytesPerRow + place] = 99 }
      }
      return true
    }
  }

  private struct Codec: PictureCodec {
    let picture: Drawn?

    func open(_ bytes: [UInt8]) -> (any EncodedPicture)? { picture }
  }

  private func decode(_ picture: Drawn?, _ bytes: [UInt8] = [1, 2, 3]) throws -> Picture {
    try PictureDecoder(codec: Codec(picture: picture)).decode(bytes, name: "photo.heic")
  }

  private func failure(_ picture: Drawn?) -> MobileOError? {
    do {
      _ = try decode(picture)
      return nil
    } catch {
      return error as? MobileOError
    }
  }

  @Test(arguments: [(1, 1), (3, 2), (16, 5), (17, 255), (5, 256), (7, 257), (33, 700)])
  func everyPixelComesInItsPlace(_ width: Int, _ height: Int) throws {
    let picture = Drawn(width: width, height: height)
    let found = try decode(picture)
    #expect(found.width == width && found.height == height)
    let wanted = (0..<height).flatMap { y in
      (0..<width).flatMap { x in picture.pixel(x, y)[..<3] }
    }
    #expect(found.rgb == wanted)
  }

  @Test func whatIsTransparentIsOnBlack() throws {
    var picture = Drawn(width: 4, height: 1)
    picture.pixel = { x, _ in [200, 100, 50, [255, 128, 1, 0][x]] }
    #expect(try decode(picture).rgb == [200, 100, 50, 100, 50, 25, 1, 0, 0, 0, 0, 0])
  }

  @Test func itStandsUpright() throws {
    // Of two rows of three, as EXIF's eight ways have them.
    let expected: [[UInt8]] = [
      [1, 2, 3, 4, 5, 6], [3, 2, 1, 6, 5, 4], [6, 5, 4, 3, 2, 1], [4, 5, 6, 1, 2, 3],
      [1, 4, 2, 5, 3, 6], [4, 1, 5, 2, 6, 3], [6, 3, 5, 2, 4, 1], [3, 6, 2, 5, 1, 4],
    ]
    for (index, pixels) in expected.enumerated() {
      var picture = Drawn(width: 3, height: 2)
      picture.orientation = index + 1
      picture.pixel = { x, y in [UInt8(y * 3 + x + 1), 0, 0, 255] }
      let found = try decode(picture)
      #expect((found.width, found.height) == (index < 4 ? (3, 2) : (2, 3)))
      #expect(stride(from: 0, to: 18, by: 3).map { found.rgb[$0] } == pixels, "\(index + 1)")
    }
    for odd in [-1, 0, 9] {
      var picture = Drawn(width: 3, height: 2)
      picture.orientation = odd
      #expect(try decode(picture) == decode(Drawn(width: 3, height: 2)))
    }
  }

  @Test func whatCannotBeReadIsOneErrorOfItsName() throws {
    var raw = Drawn(width: 3, height: 2)
    raw.kind = .raw
    var page = raw
    page.kind = .document
    var short = Drawn(width: 3, height: 2)
    short.isComplete = false
    var broken = Drawn(width: 3, height: 2)
    broken.draws = false
    let cases: [(Drawn?, String)] = [
      (nil, "is no picture that can be read"), (raw, "a camera's raw file"),
      (page, "is a document"), (short, "ends too early"), (broken, "damaged"),
      (Drawn(width: 0, height: 2), "damaged"), (Drawn(width: 3, height: -1), "damaged"),
      (Drawn(width: 16_385, height: 1), "is 16385 x 1 pixels, at most 16384 x 16384"),
      (Drawn(width: 1, height: 1 << 40), "at most 16384"),
      (Drawn(width: 16_000, height: 16_000), "more than 178 million pixels"),
    ]
    for (picture, words) in cases {
      let error = failure(picture)
      #expect(error?.kind == .usage)
      #expect(error?.description.hasPrefix("photo.heic: ") == true)
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "none")")
    }
  }

  @Test func aPNGWithoutAProfileIsReadAsInPython() throws {
    let picture = try Picture(width: 5, height: 3, rgb: (0..<45).map { UInt8($0 * 5) })
    let png = PNG.encode(picture, texts: [])
    let decoder = PictureDecoder(codec: Codec(picture: nil))
    #expect(try decoder.decode(png) == picture)
    var damaged = png
    damaged[png.count - 20] ^= 1
    let error = #expect(throws: MobileOError.self) { try decoder.decode(damaged, name: "a.png") }
    #expect(error?.kind == .usage && error?.description.hasPrefix("a.png: ") == true)
  }

  @Test func stridedArraysArePacked() throws {
    var random = Philox(seed: 5)
    func pick(_ range: ClosedRange<Int>) -> Int {
      range.lowerBound + Int(random.next() % UInt64(range.count))
    }
    for _ in 0..<500 {
      let shape = (0..<pick(0...5)).map { _ in pick(1...4) }
      // Axes in any order, each with some room behind it.
      var strides = [Int](repeating: 0, count: shape.count)
      var reach = 1
      var axes = Array(shape.indices)
      while !axes.isEmpty {
        let axis = axes.remove(at: pick(0...axes.count - 1))
        strides[axis] = reach
        reach = reach * shape[axis] + (pick(0...3) == 0 ? pick(1...3) : 0)
      }
      let values = (0..<reach).map { Float($0) }
      let wanted = Self.elements(shape, strides).map { Float($0) }
      let found = values.withUnsafeBufferPointer { packed($0, shape: shape, strides: strides) }
      #expect(found == wanted, "\(shape) \(strides)")
    }
  }

  @Test func stridesThatLeaveTheArrayAreRefused() {
    let values: [Int32] = [1, 2, 3, 4, 5, 6]
    func found(_ shape: [Int], _ strides: [Int]) -> [Int32]? {
      values.withUnsafeBufferPointer { packed($0, shape: shape, strides: strides) }
    }
    #expect(found([2, 3], [3, 1]) == values)
    #expect(found([3, 2], [1, 3]) == [1, 4, 2, 5, 3, 6])
    #expect(found([2, 2], [0, 1]) == [1, 2, 1, 2])
    #expect(found([0, 3], [3, 1]) == [])
    #expect(found([2, 4], [3, 1]) == nil)
    #expect(found([2, 3], [-3, 1]) == nil)
    #expect(found([2, 3], [3]) == nil)
  }

  /// Places of an array's numbers, one by one.
  private static func elements(_ shape: [Int], _ strides: [Int]) -> [Int] {
    guard let size = shape.first, let stride = strides.first else { return [0] }
    let inner = elements(Array(shape.dropFirst()), Array(strides.dropFirst()))
    return (0..<size).flatMap { place in inner.map { place * stride + $0 } }
  }
}
