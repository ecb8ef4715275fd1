import Foundation
import MobileO
import Testing

@Suite struct ImageTests {
  @Test(arguments: Goldens.all) func preprocessingIsPillows(_ set: Goldens) throws {
    let listed = try set.json("pictures.json")
    let pack = try set.bytes("pictures.bin")
    var start = 0
    func next(_ count: JSONValue?) -> [UInt8] {
      let end = start + (count?.integer ?? 0)
      defer { start = end }
      return Array(pack[start..<end])
    }
    let resized = listed["resized"]?.array ?? []
    for item in resized.compactMap(\.array) {
      let picture = try Picture(
        width: item[1].integer ?? 0, height: item[0].integer ?? 0, rgb: next(item[4]))
      let expected = next(item[5])
      let size = item[2].integer ?? 0
      let recipe = Recipe.Preprocessing(imageSize: size, padColor: item[3].integers)
      let found = recipe.prepare(picture)
      #expect(found.shape == [1, 3, size, size])
      guard case .float32(let values) = found.values else { continue }
      let differing = zip(values, expected).count { $0 != Float($1) * Float(1.0 / 255) }
      #expect(values.count == expected.count && differing == 0, "\(item[0..<3])")
    }
    if set.isSweep {
      let sides = resized.compactMap(\.array).map { [$0[0].integer ?? 0, $0[1].integer ?? 0] }
      #expect(resized.count >= 60 && sides.contains { $0[0] * $0[1] >= 12_000_000 })
      #expect(sides.contains { $0[0] == 1 } && sides.contains { $0[1] == 1 })
    }
    set.report(resized.count, "pictures padded and resized, byte for byte as Pillow does")
    let files = listed["files"]?.array ?? []
    for item in files.compactMap(\.array) {
      let (file, expected) = (next(item[3]), next(item[4]))
      let picture = try PNG.decode(file)
      #expect(picture.height == item[1].integer && picture.width == item[2].integer)
      #expect(picture.rgb == expected, "\(item[0].text)")
    }
    let names = Set(files.compactMap(\.array).compactMap(\.first?.string))
    let forms = ["rgba", "la", "palette", "palette-alpha", "one", "grey16", "type6-16"]
    #expect(names.isSuperset(of: forms + (1...8).map { "exif-\($0)" }))
    set.report(files.count, "PNG files read as the Python package reads them")
  }

  @Test(arguments: Goldens.all) func pixelsAreThoseOfPython(_ set: Goldens) throws {
    let golden = try set.json("pixels.json")
    let image = Tensor(shape: [1, 3, 4, 75], .float32(golden["image"]?.floats ?? []))
    #expect(try Picture(image: image).rgb.map { Int($0) } == golden["rgb"]?.integers)
  }

  @Test func whatIsNoNumberIsBlack() throws {
    let values: [Float] = [.nan, 1, -1, .infinity, -.infinity, 0]
    let image = Tensor(shape: [1, 3, 1, 2], .float32(values))
    #expect(try Picture(image: image).rgb == [0, 0, 0, 255, 255, 128])
    let flat = Tensor(shape: [6], .float32(values))
    #expect(failure { try Picture(image: flat) }?.kind == .session)
  }

  @Test func aPictureSaysWhatItWasMadeOf() throws {
    let texts = [("prompt", "a “red” circle\n😀"), ("seed", "7")]
    for (width, height) in [(1, 1), (3, 2), (64, 64), (301, 7)] {
      let picture = try Self.drawn(width, height)
      let file = PNG.encode(picture, texts: texts)
      #expect(try PNG.decode(file) == picture)
      #expect(try PNG.texts(file) == Dictionary(uniqueKeysWithValues: texts))
    }
  }

  /// Where `MOBILEO_PNG` names a folder, for Pillow to read afterwards (`make test-swift`).
  @Test func picturesForPillow() throws {
    guard let folder = ProcessInfo.processInfo.environment["MOBILEO_PNG"] else { return }
    for (width, height) in [(1, 1), (1, 300), (300, 1), (64, 64), (301, 77), (512, 512)] {
      let picture = try Self.drawn(width, height)
      let path = "\(folder)/\(width)x\(height)"
      try PNG.write(
        picture, to: path + ".png", texts: [("prompt", "a “red” circle\n😀"), ("seed", "7")])
      try Files.write(picture.rgb, to: path + ".rgb")
    }
  }

  private static func drawn(_ width: Int, _ height: Int) throws -> Picture {
    var random = Philox(seed: UInt64(width))
    let rgb = (0..<width * height * 3).map { place in
      place % 7 == 0 ? UInt8(random.next() % 256) : UInt8(place / 3 % 200)
    }
    return try Picture(width: width, height: height, rgb: rgb)
  }

  @Test func deflateAndInflateAreInverse() throws {
    var random = Philox(seed: 1)
    for count in [0, 1, 2, 3, 257, 258, 259, 5000, 49000] {
      for kind in 0..<3 {
        let bytes = (0..<count).map { place in
          kind == 0 ? 7 : kind == 1 ? UInt8(random.next() % 256) : UInt8(place * place % 251)
        }
        let picture = try Picture(width: 1, height: max(1, count / 3), rgb: Self.padded(bytes))
        #expect(try PNG.decode(PNG.encode(picture, texts: [])) == picture)
      }
    }
  }

  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    let whole = bytes.prefix(bytes.count / 3 * 3)
    return whole.isEmpty ? [1, 2, 3] : Array(whole)
  }

  @Test func damagedFilesAreRefusedAndNothingTraps() throws {
    let whole = PNG.encode(try Self.drawn(20, 20), texts: [("prompt", "x")])
    var random = Philox(seed: 4)
    var refused = 0
    for round in 0..<2000 {
      var bytes = whole
      if round % 4 == 0 {
        bytes = Array(bytes.prefix(Int(random.next() % UInt64(bytes.count))))
      } else {
        bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1) << UInt8(random.next() % 8)
      }
      do { _ = try PNG.decode(bytes) } catch {
        #expect(error is MobileOError)
        refused += 1
      }
    }
    #expect(refused > 1500)
    for text in ["", "GIF89a", "<html></html>"] {
      #expect(failure { try PNG.decode(Array(text.utf8)) }?.kind == .usage)
    }
  }

  @Test func sidesOutOfRangeAreRefused() {
    for (width, height, count) in [
      (0, 1, 0), (1, 0, 0), (16385, 1, 49155), (2, 2, 11), (-1, -1, 3),
    ] {
      let bytes = [UInt8](repeating: 0, count: count)
      #expect(failure { try Picture(width: width, height: height, rgb: bytes) }?.kind == .usage)
    }
    let none = failure { try PNG.read("/nowhere/a.png") }
    #expect(none?.description.contains("no such file") == true)
    let name = failure { try PNG.write(Self.drawn(1, 1), to: "/tmp/a.jpg", texts: []) }
    #expect(name?.description.contains(".png") == true)
  }
}
