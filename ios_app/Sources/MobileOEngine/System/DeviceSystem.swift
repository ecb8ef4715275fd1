/// What a device says of itself: a value, so that tests can have any.
public struct DeviceSystem: Sendable {
  /// How warm the device is.
  public enum ThermalState: String, Sendable, CaseIterable {
    case nominal, fair, serious, critical
  }

  /// How urgent a warning of memory is.
  public enum MemoryWarning: String, Sendable {
    case warning, critical
  }

  /// The system's release, such as 27, 0, 1; empty where nobody can say.
  public var release: @Sendable () -> [Int]
  /// What this process takes, as the system counts it against its limit, in bytes.
  public var footprint: @Sendable () -> Int
  /// What this process may still take, in bytes.
  public var headroom: @Sendable () -> Int
  /// How warm it is.
  public var thermalState: @Sendable () -> ThermalState
  /// Whether Low Power Mode is on.
  public var isLowPowerMode: @Sendable () -> Bool
  /// Warnings of memory from now on; every call gives a stream of its own.
  public var memoryWarnings: @Sendable () -> AsyncStream<MemoryWarning>

  /// A device of one's own.
  public init(
    release: @escaping @Sendable () -> [Int] = { [] },
    footprint: @escaping @Sendable () -> Int, headroom: @escaping @Sendable () -> Int,
    thermalState: @escaping @Sendable () -> ThermalState = { .nominal },
    isLowPowerMode: @escaping @Sendable () -> Bool = { false },
    memoryWarnings: @escaping @Sendable () -> AsyncStream<MemoryWarning> = { AsyncStream { _ in } }
  ) {
    self.release = release
    (self.footprint, self.headroom) = (footprint, headroom)
    (self.thermalState, self.isLowPowerMode) = (thermalState, isLowPowerMode)
    self.memoryWarnings = memoryWarnings
  }

  #if !canImport(Darwin)
    /// Elsewhere nothing is known.
    public static let current = DeviceSystem(footprint: { 0 }, headroom: { .max })
  #endif
}
