import Foundation

/// Philox 4x64 with ten rounds (Salmon et al. 2011): word n is that of
/// `numpy.random.Philox(key=stream << 64 | seed).random_raw`.
public struct Philox: Sendable {
  private var counter: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  private let key: (UInt64, UInt64)
  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  private var taken = 4

  /// The generator with key (`seed`, `stream`), its counter at 0.
  public init(seed: UInt64, stream: UInt64 = 0) { key = (seed, stream) }

  /// The next word.
  public mutating func next() -> UInt64 {
    if taken == 4 {
      advance()
      taken = 0
    }
    taken += 1
    switch taken {
    case 1: return words.0
    case 2: return words.1
    case 3: return words.2
    default: return words.3
    }
  }

  private mutating func advance() {
    counter.0 &+= 1
    if counter.0 == 0 {
      counter.1 &+= 1
      if counter.1 == 0 {
        counter.2 &+= 1
        if counter.2 == 0 { counter.3 &+= 1 }
      }
    }
    var (a, b, c, d) = counter
    var (k, l) = key
    for round in 0..<10 {
      if round > 0 {
        k &+= 0x9E37_79B9_7F4A_7C15
        l &+= 0xBB67_AE85_84CA_A73B
      }
      let first = (0xD2E7_470E_E14C_6C93 as UInt64).multipliedFullWidth(by: a)
      let second = (0xCA5A_8263_9512_1157 as UInt64).multipliedFullWidth(by: c)
      (a, b, c, d) = (second.high ^ b ^ k, second.low, first.high ^ d ^ l, first.low)
    }
    words = (a, b, c, d)
  }
}

/// Random numbers that NumPy, Swift and C++ reproduce; see docs/recipe.md.
public enum Noise {
  /// Name and version, as the recipe states them.
  public static let name = "philox4x64-10/box-muller-f64/v1"

  private static let unit = 0x1p-53

  /// `count` values of N(0, 1) for `seed`, in C order of whatever shape they fill.
  ///
  /// Computed in float64 by the C library's functions and rounded once. Equal to NumPy's to the bit on
  /// Linux; another platform's logarithm may differ by a unit in the last place of float64, which
  /// shows in float32 once in 2²⁸ values.
  public static func normal(seed: UInt64, count: Int) -> [Float] {
    var generator = Philox(seed: seed)
    var values: [Float] = []
    values.reserveCapacity(count + 1)
    while values.count < count {
      let first = generator.next()
      let second = generator.next()
      let radius = (-2.0 * log(Double((first >> 11) + 1) * unit)).squareRoot()
      let angle = 2.0 * Double.pi * (Double(second >> 11) * unit)
      values.append(Float(radius * cos(angle)))
      values.append(Float(radius * sin(angle)))
    }
    if values.count > count { values.removeLast() }
    return values
  }

  /// The stream of numbers in [0, 1) that chooses tokens: word n of key (`seed`, 1), its upper 53 bits.
  public struct Uniform: Sendable {
    private var generator: Philox

    /// The stream of `seed`.
    public init(seed: UInt64) { generator = Philox(seed: seed, stream: 1) }

    /// The next number.
    public mutating func next() -> Double { Double(generator.next() >> 11) * unit }
  }
}
