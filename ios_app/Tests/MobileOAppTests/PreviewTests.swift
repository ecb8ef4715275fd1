import MobileO
import MobileOApp
import Testing

@Suite struct PreviewTests {
  private static func latent(_ seed: UInt64, _ shape: [Int] = [1, 5, 6, 4]) -> Tensor {
    Tensor(shape: shape, .float32(Noise.normal(seed: seed, count: shape.reduce(1, *))))
  }

  /// What a linear decoder makes of a latent, each place as 3 × 2 pixels.
  private static func image(_ latent: Tensor) throws -> Tensor {
    let values = try latent.floats("latent")
    let weights: [[Float]] = [
      [0.1, -0.2, 0.05, 0, 0.1], [0.2, 0, -0.1, 0.1, 0], [0, 0.1, 0, -0.1, 0.15],
    ]
    var image: [Float] = []
    for color in 0..<3 {
      for y in 0..<18 {
        for x in 0..<8 {
          let place = y / 3 * 4 + x / 2
          var value: Float = Float(color) * 0.1 - 0.05
          for channel in 0..<5 { value += weights[color][channel] * values[channel * 24 + place] }
          image.append(value)
        }
      }
    }
    return Tensor(shape: [1, 3, 18, 8], .float32(image))
  }

  @Test func aLinearDecoderIsLearntFromPictures() throws {
    var colors = LatentColors()
    for seed: UInt64 in 0..<3 { colors.learn(Self.latent(seed), try Self.image(Self.latent(seed))) }
    let other = Self.latent(99)
    let shown = try #require(colors.picture(of: other))
    let whole = try Picture(image: Self.image(other))
    #expect(shown.width == 4 && shown.height == 6)
    for y in 0..<6 {
      for x in 0..<4 {
        for color in 0..<3 {
          let found = Int(shown.rgb[(y * 4 + x) * 3 + color])
          let wanted = Int(whole.rgb[(y * 3 * 8 + x * 2) * 3 + color])
          #expect(abs(found - wanted) <= 2)
        }
      }
    }
  }

  @Test func beforeThatItIsGray() throws {
    let shown = try #require(LatentColors().picture(of: Self.latent(1)))
    for place in 0..<24 { #expect(Set(shown.rgb[place * 3..<place * 3 + 3]).count == 1) }
    #expect(shown.rgb.min() == 0 && shown.rgb.max() == 255)
    let flat = Tensor(shape: [1, 2, 2, 2], .float32([Float](repeating: 3, count: 8)))
    #expect(LatentColors().picture(of: flat)?.rgb == [UInt8](repeating: 0, count: 12))
  }

  /// `tests/serve/test_preview_vectors.py` holds Python to the same pixels.
  @Test func aMapOfTheBundleShowsWhatPythonShows() throws {
    let document = try JSONReader.document(Files.read(ToyBundle.folder + "/previews.json"))
    let vectors = FieldReader(document, at: "previews.json")
    let manifest = try Files.read(ToyBundle.folder + "/manifest.json")
    let content = try JSONReader.document(manifest)
    let map = try #require(document["preview"])
    func carrying(_ map: JSONValue, channels: Int) throws -> Manifest {
      let changed = content.replacing("components") { components in
        components.replacing("vae_decoder") { entry in
          let shape: JSONValue = .array([1, .integer(channels), 5, 3])
          let inputs = (entry["inputs"]?.array ?? []).map { $0.replacing("shape") { _ in shape } }
          let decoder = entry.replacing("inputs") { _ in .array(inputs) }
          return .object(JSONObject((decoder.object?.members ?? []) + [("preview", map)]))
        }
      }
      return try Manifest(bytes: Array(changed.text.utf8), path: "manifest.json")
    }
    let preview = try carrying(map, channels: 4).component("vae_decoder").preview
    #expect(preview != nil)
    var colors = LatentColors(preview)
    let shape = try vectors.integers("shape")
    let latent = Self.latent(1, shape)
    #expect(try colors.picture(of: latent)?.rgb.map(Int.init) == vectors.integers("before"))
    let image = Tensor(
      shape: [1, 3, 10, 9], .float32(try vectors.doubles("image").map { Float($0) }))
    colors.learn(Self.latent(2, shape), image)
    #expect(try colors.picture(of: latent)?.rgb.map(Int.init) == vectors.integers("after"))
    // A map of other channels than the latent's is the file's mistake, not a gray picture.
    #expect(throws: MobileOError.self) { try carrying(map, channels: 5) }
    let bad = map.replacing("offset") { _ in .array([1, 2]) }
    #expect(throws: MobileOError.self) { try carrying(bad, channels: 4) }
    let worse = map.replacing("matrix") { _ in .array(["red", "green", "blue"]) }
    #expect(throws: MobileOError.self) { try carrying(worse, channels: 4) }
    #expect(try Manifest(bytes: manifest, path: "m").component("vae_decoder").preview == nil)
  }

  /// Latents that are equal in every place, or of another form, break nothing.
  @Test func whatDoesNotFitTeachesNothing() throws {
    var colors = LatentColors()
    let image = try Self.image(Self.latent(1))
    colors.learn(Tensor(shape: [1, 5, 7, 4], .float32([Float](repeating: 1, count: 140))), image)
    colors.learn(Tensor(shape: [5], .float32([1, 2, 3, 4, 5])), image)
    let gray = LatentColors().picture(of: Self.latent(1))
    #expect(colors.picture(of: Self.latent(1)) == gray)
    #expect(colors.picture(of: Tensor(shape: [5], .float32([1, 2, 3, 4, 5]))) == nil)
    #expect(colors.picture(of: Tensor(shape: [1, 1, 1, 1], .int32([1]))) == nil)
    colors.learn(Tensor(shape: [1, 5, 6, 4], .float32([Float](repeating: 0, count: 120))), image)
    #expect(colors.picture(of: Self.latent(2)) != nil)
    // A latent of other channels begins anew.
    #expect(colors.picture(of: Self.latent(2, [1, 3, 2, 2])) != nil)
  }

  /// What the model sees, seen again, is the same arrays to the bit.
  @Test func theModelSeesExactlyThesePixels() throws {
    let recipe = try ToyBundle.recipe().preprocessing
    for picture in [
      ToyBundle.picture, ToyBundle.made(width: 16, height: 16) { UInt8($0 % 256) },
      ToyBundle.made(width: 1, height: 40) { UInt8($0) },
    ] {
      let seen = try recipe.seen(picture)
      #expect(seen.width == 16 && seen.height == 16)
      #expect(recipe.prepare(seen) == recipe.prepare(picture))
    }
    let black = try recipe.seen(ToyBundle.made(width: 40, height: 1) { _ in 255 })
    #expect(black.rgb[0..<48].allSatisfy { $0 == 0 }, "the padding is there to be seen")
  }
}
