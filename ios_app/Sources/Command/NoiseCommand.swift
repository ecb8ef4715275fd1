import Foundation
import MobileO

/// `mobileo noise`: the random numbers of a seed.
enum NoiseCommand: Command {
  static let name = "noise"
  static let summary = "The noise that a seed stands for, the same on every machine."
  static let usage = ""
  static let details = """
    Values of N(0, 1) as a latent is filled with them, or with --uniform the numbers in 0..1 that
    choose tokens.
    """
  static let options = [
    Arguments.Option("--seed", value: "INTEGER", help: "0 to 2^64 - 1; 0 by default."),
    Arguments.Option(
      "--count", value: "INTEGER", help: "How many, at most 10,000,000; 16 by default."),
    Arguments.Option("--uniform", help: "The stream that chooses tokens."),
    Arguments.Option(
      "--output", "-o", value: "FILE",
      help: "Write them to a file instead: little-endian float32, float64 with --uniform."),
    Arguments.Option("--json", help: "Print the result as JSON."),
  ]

  static func run(_ arguments: Arguments) async throws {
    if let word = arguments.positional.first {
      throw MobileOError(.usage, "unexpected argument '\(word)'; see mobileo noise --help")
    }
    let seed: UInt64 = try arguments.number("--seed", "one from 0 to \(UInt64.max)") ?? 0
    let count: Int = try arguments.number("--count", "a whole number") ?? 16
    guard (1...10_000_000).contains(count) else {
      throw MobileOError(.usage, "--count \(count): choose 1 to 10,000,000")
    }
    let isJSON = arguments.has("--json")
    if isJSON, arguments.has("--output") {
      throw MobileOError(.usage, "--json goes to standard output: leave out --output")
    }
    let isUniform = arguments.has("--uniform")
    var stream = Noise.Uniform(seed: seed)
    let numbers: [Double] = isUniform ? (0..<count).map { _ in stream.next() } : []
    let values: [Float] = isUniform ? [] : Noise.normal(seed: seed, count: count)
    if let path = arguments.value("--output") {
      let bytes = numbers.flatMap { $0.bitPattern.bytes } + values.flatMap { $0.bitPattern.bytes }
      try Files.write(bytes, to: path)
      Output.line(printable("wrote \(path): \(count) numbers of seed \(seed)"))
    } else if isJSON {
      let list = numbers + values.map { Double($0) }
      Output.json([
        "seed": .string(String(seed)), "values": .array(list.map { .number($0) }),
      ])
    } else {
      for number in numbers { Output.line("\(number)") }
      for value in values { Output.line("\(value)") }
    }
  }
}

extension FixedWidthInteger {
  /// Little-endian.
  fileprivate var bytes: [UInt8] {
    (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> (8 * $0)) }
  }
}
