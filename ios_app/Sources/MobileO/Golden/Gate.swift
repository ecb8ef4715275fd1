import Foundation

/// What an output of the trace must meet: on a host that executes artifacts exactly, and on a device.
public struct Gate: Sendable, Equatable {
  /// Who computed what is judged.
  public enum Executor: String, Sendable {
    case host, device
  }

  /// Bounds; nil where nothing is asked.
  public struct Bound: Sendable, Equatable {
    /// At most, as ``Metrics/relativeL2``.
    public let relativeL2: Double?
    /// At most, as ``Metrics/worstSlice``.
    public let worstSlice: Double?
    /// A slice below this share of the rms slice norm counts as that large.
    public let sliceFloor: Double
    /// dB, at least.
    public let psnr: Double?
    /// At most, as ``Metrics/maxAbsolute``.
    public let maxAbsolute: Double?
    /// An estimate that no device has measured yet.
    public let provisional: Bool
  }

  /// Nil for integers, which have to be equal.
  public let layout: Metrics.Layout?
  /// For what executes artifacts exactly.
  public let host: Bound
  /// For Core ML and MLX.
  public let device: Bound

  init(_ fields: FieldReader) throws {
    layout = fields.content["layout"]?.string.flatMap(Metrics.Layout.init)
    host = try Bound(fields.object("host"))
    device = try Bound(fields.object("device"))
  }

  /// Whether it has, for either executor, a bound that damage can break.
  var asks: Bool {
    guard let layout else { return true }
    return [host, device].allSatisfy { bound in
      bound.relativeL2 != nil || bound.psnr != nil || bound.maxAbsolute != nil
        || (bound.worstSlice != nil && !layout.families.isEmpty)
    }
  }

  /// Which figure a bound is for; named as in Python's reports.
  public enum Metric: String, Sendable, CaseIterable {
    /// The share of values that are finite on both sides; has to be 1.
    case finite
    /// At most, as ``Metrics/relativeL2``.
    case relativeL2 = "relative_l2"
    /// dB, at least, as ``Metrics/psnr``.
    case psnr
    /// At most, as ``Metrics/worstSlice``.
    case worstSlice = "worst_slice"
    /// At most, as ``Metrics/maxAbsolute``.
    case maxAbsolute = "max_absolute"
    /// How many integers differ; has to be 0.
    case differing
  }

  /// One bound of a gate, applied.
  public struct Judged: Sendable, Equatable {
    /// Which figure.
    public let metric: Metric
    /// What was measured; infinite where a value is not finite.
    public let value: Double
    /// What is asked.
    public let bound: Double
    /// The worst slice, where there are slices.
    public let slice: Metrics.Slice?

    /// Whether more is better.
    private var isFloor: Bool { metric == .psnr || metric == .finite }

    /// Whether the bound holds; a value that is no number never does.
    public var holds: Bool { isFloor ? value >= bound : value <= bound }

    /// How much of the bound is used up: 1 at the bound, more when it does not hold. Of decibels, the
    /// error's share of what the bound allows.
    public var strain: Double {
      switch metric {
      case .psnr: pow(10, (bound - value) / 20)
      case .finite: holds ? 0 : .infinity
      default: bound == 0 ? (value == 0 ? 0 : .infinity) : value / bound
      }
    }

    /// `1.23e-05`
    public var valueText: String { String(format: "%.2e", value) }

    /// `2e-05`
    public var boundText: String { String(format: "%g", bound) }
  }

  /// The bounds for what executes artifacts exactly, or for a device.
  public func bound(_ executor: Executor) -> Bound { executor == .host ? host : device }

  /// Every bound of the gate with what was measured, in the order of Python's reports.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: the arrays are of different types or sizes, or do not
  ///   fit the layout.
  public func judged(
    reference: Tensor, found: Tensor, _ executor: Executor
  ) throws -> [Judged] {
    guard let layout else {
      let differing = Double(Self.differing(reference, found))
      return [Judged(metric: .differing, value: differing, bound: 0, slice: nil)]
    }
    let (truth, values) = (try reference.floats("recorded"), try found.floats("found"))
    let bound = bound(executor)
    let measured = try Metrics(
      reference: truth, found: values, shape: found.shape, layout: layout,
      sliceFloor: bound.sliceFloor)
    let finite = zip(truth, values).count { $0.isFinite && $1.isFinite }
    let rows: [(Metric, Double, Double?)] = [
      (.finite, Double(finite) / Double(values.count), 1),
      (.relativeL2, measured.relativeL2, bound.relativeL2), (.psnr, measured.psnr, bound.psnr),
      (.worstSlice, measured.worstSlice, layout.families.isEmpty ? nil : bound.worstSlice),
      (.maxAbsolute, measured.maxAbsolute, bound.maxAbsolute),
    ]
    return rows.compactMap { metric, value, limit in
      limit.map { Judged(metric: metric, value: value, bound: $0, slice: measured.worst.first) }
    }
  }

  /// What of the gate does not hold, in a few words; nil if all does.
  public func problem(
    reference: Tensor, found: Tensor, _ executor: Executor = .host
  ) throws -> String? {
    guard reference.shape == found.shape, reference.dtype == found.dtype else {
      return "is \(found.summary), expected \(reference.summary)"
    }
    guard let layout, case .float32(let truth) = reference.values,
      case .float32(let values) = found.values
    else {
      let differing = Self.differing(reference, found)
      return differing == 0 ? nil : "\(differing) of \(found.count) values differ"
    }
    let bound = bound(executor)
    let measured = try Metrics(
      reference: truth, found: values, shape: found.shape, layout: layout,
      sliceFloor: bound.sliceFloor)
    let slice = measured.worst.first.map { " (\($0.name))" } ?? ""
    let rows: [(String, Double, Double?)] = [
      ("largest difference", measured.maxAbsolute, bound.maxAbsolute),
      ("relative L2", measured.relativeL2, bound.relativeL2),
      ("worst slice\(slice)", measured.worstSlice, bound.worstSlice),
      ("PSNR", -measured.psnr, bound.psnr.map { -$0 }),
    ]
    for case (let name, let value, let limit?) in rows where !(value <= limit) {
      return String(format: "%@ is %.2e, the gate is %g", name, abs(value), abs(limit))
    }
    return values.allSatisfy(\.isFinite) ? nil : "holds values that are not finite"
  }

  private static func differing(_ reference: Tensor, _ found: Tensor) -> Int {
    switch (reference.values, found.values) {
    case (.float32(let a), .float32(let b)): zip(a, b).count { $0 != $1 }
    case (.int32(let a), .int32(let b)): zip(a, b).count { $0 != $1 }
    case (.uint8(let a), .uint8(let b)): zip(a, b).count { $0 != $1 }
    default: found.count
    }
  }
}

extension Gate.Bound {
  init(_ fields: FieldReader) throws {
    relativeL2 = fields.content["relative_l2"]?.double
    worstSlice = fields.content["worst_slice"]?.double
    sliceFloor = try fields.double("slice_floor")
    psnr = fields.content["psnr"]?.double
    maxAbsolute = fields.content["max_absolute"]?.double
    provisional = fields.content["provisional"]?.bool ?? false
  }
}
