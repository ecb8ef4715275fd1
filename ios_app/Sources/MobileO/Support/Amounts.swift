import Foundation

extension Int {
  /// The sum of two numbers that are not negative, or the largest there is: sizes that come out of a
  /// file may be anything.
  package func plus(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }

  /// The product of two numbers that are not negative, or the largest there is.
  func times(_ other: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? .max : product
  }
}

/// `2.9 GB`, `640.0 kB`: decimal units, as systems show free memory and disks.
package func bytesText(_ count: Int) -> String {
  let units = [("kB", 1e3), ("MB", 1e6), ("GB", 1e9)]
  guard let (unit, size) = units.last(where: { Double(count) >= $0.1 }) else { return "\(count) B" }
  return String(format: "%.1f ", Double(count) / size) + unit
}
