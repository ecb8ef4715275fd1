import MobileO
import Testing

/// The sizes of a bundle's components, in bytes: another form of bundle is another entry of ``all``.
///
/// Weights are the files of the published 0.5B model's size, as BENCHMARKS.md and docs have them. What
/// components take while they run on a device has been measured by nobody: those figures are assumed.
struct Preset: Sendable, CustomTestStringConvertible {
  let name: String
  let footprints: [String: Footprint]

  var testDescription: String { name }

  static let all = [
    Preset("float32, 8-bit llm", dit: 2_370, vae: 637, vision: 491, mcp: 10, llm: 673),
    Preset("float32, 4-bit llm", dit: 2_370, vae: 637, vision: 491, mcp: 10, llm: 356),
    Preset("float16, 8-bit llm", dit: 1_185, vae: 319, vision: 246, mcp: 10, llm: 673),
    mlx,
  ]
  /// All of them on MLX, where weights stay as they are stored.
  static let mlx = Preset("mlx, 8 bits", dit: 630, vae: 319, vision: 246, mcp: 10, llm: 673)

  /// Weights in MB.
  private init(_ name: String, dit: Int, vae: Int, vision: Int, mcp: Int, llm: Int) {
    self.name = name
    func footprint(_ weights: Int, _ activations: Int, _ results: Int) -> Footprint {
      Footprint(
        weights: weights * 1_000_000, activations: activations * 1_000_000, results: results)
    }
    footprints = [
      "dit": footprint(dit, 300, 32_768), "vae_decoder": footprint(vae, 600, 3_145_728),
      "vision_encoder": footprint(vision, 300, 3_145_728), "mcp": footprint(mcp, 30, 7_077_888),
      "llm": footprint(llm, 90, 11_010_048),
    ]
  }
}

/// What an app may take of a phone, in bytes.
///
/// Of 4, 6 and 8 GB what users saw with the entitlement for more memory; of 2 and 3 GB half of it is
/// assumed.
struct PhoneSize: Sendable, CustomTestStringConvertible {
  let gigabytes: Int
  let limit: Int

  var testDescription: String { "\(gigabytes) GB" }

  static let all = [
    PhoneSize(gigabytes: 2, limit: 1_000_000_000), PhoneSize(gigabytes: 3, limit: 1_500_000_000),
    PhoneSize(gigabytes: 4, limit: 2_400_000_000), PhoneSize(gigabytes: 6, limit: 4_200_000_000),
    PhoneSize(gigabytes: 8, limit: 6_000_000_000),
  ]
}
