/// A part of the system that computes.
public enum ComputeDevice: String, Sendable, CaseIterable {
  case cpu, gpu
  case neuralEngine = "neural_engine"
}

/// An operation of a model, and where it is expected to run.
public struct PlannedOperation: Sendable, Equatable {
  /// Its operator, such as `ios18.linear`.
  public let name: String
  /// Where it is expected to run; nil where that is not said, as of constants.
  public let device: ComputeDevice?
  /// Its share of the model's work, 0 to 1; nil where that is not said.
  public let cost: Double?

  /// An operation as Core ML plans it.
  public init(name: String, device: ComputeDevice?, cost: Double?) {
    (self.name, self.device, self.cost) = (name, device, cost)
  }
}

/// Where the operations of a component are expected to run: for the benchmark and a screen.
public struct ComputePlanSummary: Sendable, Equatable {
  /// What runs on one device.
  public struct Share: Sendable, Equatable {
    /// Where.
    public let device: ComputeDevice
    /// How many operations.
    public let operations: Int
    /// Their share of the work, 0 to 1.
    public let cost: Double
  }

  /// By device, the largest share of the work first.
  public let shares: [Share]
  /// The operators that do not run where most of the work does, with how many of each, most first.
  public let elsewhere: [(name: String, operations: Int)]
  /// How many operations have no device, as constants have none.
  public let unplaced: Int

  /// The summary of a plan.
  public init(_ operations: [PlannedOperation]) {
    let placed = operations.filter { $0.device != nil }
    unplaced = operations.count - placed.count
    let shares = ComputeDevice.allCases.compactMap { device -> Share? in
      let own = placed.filter { $0.device == device }
      if own.isEmpty { return nil }
      return Share(
        device: device, operations: own.count, cost: own.reduce(0) { $0 + ($1.cost ?? 0) })
    }
    self.shares = shares.sorted { ($0.cost, $0.operations) > ($1.cost, $1.operations) }
    let main = self.shares.first?.device
    let others = Dictionary(grouping: placed.filter { $0.device != main }, by: \.name)
    elsewhere = others.map { (name: $0, operations: $1.count) }
      .sorted { ($1.operations, $0.name) < ($0.operations, $1.name) }
  }

  /// Equal in every figure.
  public static func == (left: ComputePlanSummary, right: ComputePlanSummary) -> Bool {
    left.shares == right.shares && left.unplaced == right.unplaced
      && left.elsewhere.elementsEqual(right.elsewhere, by: ==)
  }
}
