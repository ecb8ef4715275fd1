/// When to load and to unload components, so that tasks run within a budget of memory.
///
/// A pure function of what is asked, how large the components are and how much is free; see
/// ``PlannedEngine`` for what follows it. No plan loads less often: all choices of what to keep are
/// weighed, which five components allow.
public struct MemoryPlan: Sendable, Equatable {
  /// One thing to do.
  public enum Step: Sendable, Equatable {
    case load(String)
    case run(String)
    case unload(String)
  }

  /// What becomes of a component that has run.
  public enum Policy: String, Sendable, CaseIterable {
    /// It stays as long as what runs next has room beside it.
    case keep
    /// It goes, unless it runs next.
    case drop
  }

  /// A component's turn: what has to fit beside the weights of all that is loaded.
  struct Stage: Sendable, Equatable {
    let component: String
    let working: Int
  }

  /// In order.
  public let steps: [Step]
  /// What is loaded after the last step.
  public let loaded: Set<String>
  /// The most that is taken at any time, in bytes.
  public let peak: Int

  /// A plan of `tasks`, one behind the other.
  ///
  /// - Parameters:
  ///   - footprints: of every component that the tasks run, or that is loaded.
  ///   - budget: what all components together may take, in bytes; those that are loaded included.
  ///   - policy: with ``Policy/keep``, what stays behind the last task is what spares most loads if the
  ///     same is asked for again.
  ///   - loaded: what is loaded before the first step.
  /// - Throws: ``MobileOError`` of kind `memory`, with both figures: one component does not fit even
  ///   alone; of kind `bundle`: a component has no footprint.
  public init(
    _ tasks: [PipelineTask], _ footprints: [String: Footprint], budget: Int,
    policy: Policy = .keep, loaded: Set<String> = []
  ) throws {
    let stages = try tasks.flatMap { try Self.stages($0, footprints) }
    let again = try tasks.last.map { try Self.stages($0, footprints) } ?? []
    try self.init(
      stages, then: again, footprints, budget: budget, policy: policy, loaded: loaded)
  }

  /// A plan of `stages`, with an eye to what probably comes `then`.
  init(
    _ stages: [Stage], then: [Stage], _ footprints: [String: Footprint], budget: Int,
    policy: Policy, loaded: Set<String>
  ) throws {
    let search = try Search(stages, then: then, footprints, budget: budget, policy: policy, loaded)
    var steps: [Step] = []
    var (present, peak) = (loaded, search.weights(loaded))
    for (place, stage) in stages.enumerated() {
      let stays = search.choice(place, present)
      steps += present.subtracting(stays).sorted().map { .unload($0) }
      if !present.contains(stage.component) { steps.append(.load(stage.component)) }
      steps.append(.run(stage.component))
      present = stays
      peak = max(peak, search.weights(present).plus(stage.working))
    }
    if policy == .drop {
      steps += present.sorted().map { .unload($0) }
      present = []
    }
    self.steps = steps
    self.loaded = present
    self.peak = peak
  }

  /// The least memory in which `task` can run at all, in bytes.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: a component has no footprint.
  public static func least(_ task: PipelineTask, _ footprints: [String: Footprint]) throws -> Int {
    try stages(task, footprints).map { stage in
      (footprints[stage.component]?.weights ?? 0).plus(stage.working)
    }.max() ?? 0
  }

  /// The turns of a task.
  static func stages(
    _ task: PipelineTask, _ footprints: [String: Footprint]
  ) throws -> [Stage] {
    var before = 0
    return try task.components.map { name in
      guard let footprint = footprints[name] else { throw unknown(name) }
      defer { before = footprint.results }
      let second = task.doubles(name) ? before : 0
      return Stage(component: name, working: footprint.activations.plus(second))
    }
  }

  static func unknown(_ name: String) -> MobileOError {
    MobileOError(
      .bundle, "nothing says how much memory \(name) takes; export the bundle again without --only")
  }

  static func shortage(_ component: String, needed: Int, free: Int) -> MobileOError {
    MobileOError(
      .memory,
      "\(component) needs \(bytesText(needed)) of memory, \(bytesText(max(0, free))) are free; close "
        + "other apps, or take a bundle of smaller weights (--target mlx keeps them small in memory)"
    )
  }
}
