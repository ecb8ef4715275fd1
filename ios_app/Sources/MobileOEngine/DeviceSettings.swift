import MobileO

/// What the user may choose of how a device computes.
public struct DeviceSettings: Sendable, Equatable {
  /// By component that Core ML runs, where it is not what the manifest says; nothing falls back from a
  /// choice.
  public var computeUnits: [String: CoreMLUnits]
  /// What becomes of a component that has run.
  public var memory: MemoryPlan.Policy
  /// Whether MLX may compute products with reduced precision where that is faster.
  public var allowsReducedPrecision: Bool
  /// What Core AI may run on; nil refuses what a bundle has for it.
  public var coreAI: CoreAIUnits?
  /// What is left to the app beside all components, in bytes.
  public var reserve: Int

  /// Choices; without any, what the manifest says.
  public init(
    computeUnits: [String: CoreMLUnits] = [:], memory: MemoryPlan.Policy = .keep,
    allowsReducedPrecision: Bool = false, coreAI: CoreAIUnits? = nil, reserve: Int = 150_000_000
  ) {
    (self.computeUnits, self.memory) = (computeUnits, memory)
    (self.allowsReducedPrecision, self.coreAI) = (allowsReducedPrecision, coreAI)
    self.reserve = reserve
  }
}

/// What an engine does on its own, for a screen and for reports.
public enum DeviceEvent: Sendable, Equatable {
  /// A model is compiled, which takes its time.
  case compiling(String, CompileReason)
  /// A component is loaded; `on` is what Core ML may use, nil of what others run, `footprint`
  /// what the process takes then, in bytes.
  case loaded(String, on: CoreMLUnits?, seconds: Double, isCold: Bool, footprint: Int)
  /// A component cannot be loaded as the manifest says: the next compute units are tried.
  case fellBack(String, from: CoreMLUnits, to: CoreMLUnits, reason: String)
  /// The system warned of memory, and these were dropped.
  case dropped(Set<String>)
}
