import MobileO

/// What a bundle takes of memory, from the sizes in its manifest: at least, since no manifest says what
/// happens inside of a component while it runs.
public struct MemoryNeeds: Sendable, Equatable {
  /// How a bundle fits into the memory that an app may take.
  public enum Fit: Sendable, Equatable {
    /// Every part stays loaded.
    case whole
    /// It draws, and parts make room for one another.
    case inTurns
    /// It cannot draw; a bundle that is for MLX throughout, whose weights stay as narrow as they are
    /// stored, takes less.
    case offersMLX
    /// It cannot draw, and only fewer bits would help.
    case tooLarge
  }

  /// The least in which a guided picture can be drawn, in bytes.
  public let drawing: Int
  /// Of all parts at once, whichever runs, in bytes.
  public let whole: Int
  /// Whether Core ML runs a part of it, which may widen weights as it loads them, or Core AI, for which
  /// they are wide.
  private let mayBeSmaller: Bool

  /// Of the bundle of `manifest`; nil of one that does not draw.
  public init?(_ manifest: Manifest) {
    let sizes = Footprint.of(manifest)
    let task = PipelineTask.draw(guided: true)
    guard let drawing = try? MemoryPlan.least(task, sizes) else { return nil }
    self.drawing = drawing
    whole = sizes.values.reduce(0) { $0.plus($1.weights) }
      .plus(sizes.values.map(\.activations).max() ?? 0)
    mayBeSmaller = manifest.components.values.contains {
      ["mlpackage", "aimodel"].contains($0.onDevice?.kind)
    }
  }

  /// How it fits where an app may take `room` bytes.
  public func fit(_ room: Int) -> Fit {
    if whole <= room { return .whole }
    if drawing <= room { return .inTurns }
    return mayBeSmaller ? .offersMLX : .tooLarge
  }
}

extension Device {
  /// What this process takes and may still take, in bytes; nil where nobody can say.
  public var room: Int? {
    guard let headroom = headroom() else { return nil }
    return headroom.plus(footprint() ?? 0)
  }
}
