import Foundation

/// One quantity, run after run, and how it is summarized: as mobileo_export/bench/measurement.py does,
/// to the bit.
public struct BenchmarkMeasurement: Sendable, Equatable {
  /// A figure to compare with.
  public struct Published: Sendable, Equatable {
    /// In the measurement's unit.
    public let mean: Double
    /// Sample standard deviation, where it is known.
    public let deviation: Double?
    /// Where it stands.
    public let source: String

    /// What others measured.
    public init(mean: Double, deviation: Double?, source: String) {
      (self.mean, self.deviation, self.source) = (mean, deviation, source)
    }
  }

  /// Of all values.
  public enum Unit: String, Sendable {
    case milliseconds = "ms"
    case seconds = "s"
    case tokensPerSecond = "tokens/s"
  }

  /// Such as `time_to_first_token`.
  public let name: String
  /// Of all values.
  public let unit: Unit
  /// Where it starts and ends, in one sentence.
  public let definition: String
  /// Of the runs, in order; at least one.
  public let values: [Double]
  /// How many runs came before and do not count.
  public let warmups: Int
  /// What others measured.
  public let published: Published?

  /// A quantity of which `values` were measured.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: there is no value, or one that cannot be measured.
  public init(
    _ name: String, _ unit: Unit, _ definition: String, values: [Double], warmups: Int = 0,
    published: Published? = nil
  ) throws {
    guard !values.isEmpty, values.allSatisfy({ $0.isFinite && $0 >= 0 }), warmups >= 0 else {
      throw MobileOError(
        .usage, "\(name): \(values.count) values and \(warmups) warm-ups; measure at least one run")
    }
    (self.name, self.unit, self.definition) = (name, unit, definition)
    (self.values, self.warmups, self.published) = (values, warmups, published)
  }

  /// Arithmetic mean.
  public var mean: Double { Self.sum(values[...]) / Double(values.count) }

  /// Sample standard deviation; nil of a single run.
  public var deviation: Double? {
    if values.count < 2 { return nil }
    let middle = mean
    let squares = values.map { ($0 - middle) * ($0 - middle) }
    return (Self.sum(squares[...]) / Double(values.count - 1)).squareRoot()
  }

  /// The middle run, or the mean of the two in the middle.
  public var median: Double { quantile(0.5) }

  /// Of twenty runs one takes longer.
  public var p95: Double { quantile(0.95) }

  /// The least.
  public var least: Double { values.min() ?? .nan }

  /// The most.
  public var most: Double { values.max() ?? .nan }

  /// Linear between the two nearest runs; `share` is 0 for the least and 1 for the most.
  public func quantile(_ share: Double) -> Double {
    let sorted = values.sorted()
    let place = min(max(share, 0), 1) * Double(sorted.count - 1)
    let below = Int(place)
    let (low, high) = (sorted[below], sorted[min(below + 1, sorted.count - 1)])
    let part = place - Double(below)
    // From the nearer end, as NumPy does.
    return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part)
  }

  /// As plain data, of results.schema.json; the summary is rounded to six digits, the values are not.
  public var json: JSONValue {
    let comparison: JSONValue =
      published.map { found in
        [
          "mean": .number(found.mean), "deviation": found.deviation.map { .number($0) } ?? .null,
          "source": .string(found.source),
        ]
      } ?? .null
    return [
      "name": .string(name), "unit": .string(unit.rawValue), "definition": .string(definition),
      "values": .array(values.map { .number($0) }), "warmups": .integer(warmups),
      "published": comparison, "mean": Self.rounded(mean), "deviation": Self.rounded(deviation),
      "median": Self.rounded(median), "p95": Self.rounded(p95), "min": Self.rounded(least),
      "max": Self.rounded(most),
    ]
  }

  /// ``median`` and ``p95`` with as many digits.
  public var quantilesText: (median: String, p95: String) {
    (Self.digits(median), Self.digits(p95))
  }

  /// `488 ± 9`, with as many digits as say something.
  public var text: String {
    Self.digits(mean) + (deviation.map { " ± \(Self.digits($0))" } ?? "")
  }

  /// Three significant digits.
  private static func digits(_ value: Double) -> String {
    String(format: abs(value) >= 100 ? "%.0f" : "%.3g", value)
  }

  private static func rounded(_ value: Double?) -> JSONValue {
    value.flatMap { Double(String(format: "%.6g", $0)) }.map { .number($0) } ?? .null
  }

  /// The sum in NumPy's order: by pairs of halves, eight side by side in a block of at most 128.
  private static func sum(_ values: ArraySlice<Double>) -> Double {
    if values.count < 8 { return values.reduce(-0.0, +) }
    if values.count > 128 {
      let half = values.count / 2
      let middle = values.startIndex + half - half % 8
      return sum(values[..<middle]) + sum(values[middle...])
    }
    var lanes = Array(values.prefix(8))
    let whole = values.count - values.count % 8
    for start in stride(from: 8, to: whole, by: 8) {
      for lane in 0..<8 { lanes[lane] += values[values.startIndex + start + lane] }
    }
    let total =
      ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
      + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    return values.dropFirst(whole).reduce(total, +)
  }
}
