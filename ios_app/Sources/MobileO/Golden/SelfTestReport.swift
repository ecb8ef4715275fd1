/// A recorded call of a component, in a self-test.
public struct SelfTestCall: Sendable, Equatable {
  /// `vision_encoder`, `mcp`, `dit`, `vae_decoder` or `llm`.
  public let component: String
  /// As docs/golden.md has it: the component's name, or `llm_step`.
  public let stage: String
  /// The recorded run that it belongs to, such as `edit`.
  public let run: String
  /// Of the loop, from 0; nil where there is none.
  public let step: Int?
  /// Of guidance, `conditional` or `unconditional`; nil where there is none.
  public let branch: String?
  /// Of the trace: the calls of the first run come first.
  let place: Int

  /// Such as `edit, step 2, unconditional`: as Python names it.
  public var name: String {
    [run, step.map { "step \($0)" }, branch].compactMap(\.self).joined(separator: ", ")
  }
}

/// One bound of an output's gate, applied to what a component really computed.
public struct SelfTestRow: Sendable, Equatable {
  /// The call that gave the output.
  public let call: SelfTestCall
  /// Such as `velocity`.
  public let output: String
  /// Which bound, what was measured, and whether it holds.
  public let judged: Gate.Judged

  /// What is wrong in one line; nil when the bound holds.
  public var failure: String? {
    judged.holds
      ? nil
      : "\(call.component), \(call.name), \(output): \(judged.metric.rawValue) is "
        + "\(judged.valueText), the gate is \(judged.boundText)"
  }
}

/// Something that could not even be measured: a component that does not load, a call that fails, an
/// output of another shape.
public struct SelfTestProblem: Sendable, Equatable {
  /// Whose.
  public let component: String
  /// The call; nil when the component could not be loaded.
  public let call: SelfTestCall?
  /// The output; nil when the call gave none.
  public let output: String?
  /// One sentence.
  public let problem: String

  /// The same in one line, with the place before it.
  public var failure: String {
    let place = [component, call?.name, output].compactMap(\.self).joined(separator: ", ")
    return "\(place): \(problem)"
  }
}

/// A component that was loaded for a self-test.
public struct SelfTestLoad: Sendable, Equatable {
  /// Its name.
  public let component: String
  /// Of the load: cold, as far as the engine loads at once and not at the first call.
  public let seconds: Double
  /// Bytes that the process takes behind it; nil where nobody measures.
  public let footprint: Int?
}

/// What a self-test tells while it runs.
public enum SelfTestEvent: Sendable, Equatable {
  /// A component is about to be loaded.
  case loading(component: String)
  /// It is loaded.
  case loaded(SelfTestLoad)
  /// A call is about to be made; `done` of `total`, over all components, are.
  case calling(SelfTestCall, done: Int, of: Int)
  /// A bound was applied.
  case row(SelfTestRow)
  /// Something could not be measured; the test goes on.
  case problem(SelfTestProblem)
  /// All components ran; what needs no weights is computed anew, see ``GoldenReplay``.
  case checking
  /// The last event.
  case report(SelfTestReport)
}

/// What a self-test found; its document is selftest.schema.json of mobileo_export/bench.
public struct SelfTestReport: Sendable, Equatable {
  /// What `format` says in it.
  public static let format = "mobileo-selftest"
  /// The version of the format.
  public static let formatVersion = 1

  /// What one component did.
  public struct Component: Sendable, Equatable {
    /// `vision_encoder`, `mcp`, `dit`, `vae_decoder` or `llm`.
    public let name: String
    /// What executed it, and by which of the trace's bounds it is judged.
    public let runtime: ComponentRuntime
    /// Nil when it could not be loaded.
    public let load: SelfTestLoad?
    /// Seconds of the first call, which loads where the engine loads late; nil when none came back.
    public let firstCall: Double?
    /// The most bytes that the process took behind a call; nil where nobody measures.
    public let mostFootprint: Int?
    /// How many calls were made.
    public let calls: Int
    /// Every bound of every output, in the order of the trace.
    public let rows: [SelfTestRow]
    /// What could not be measured.
    public let problems: [SelfTestProblem]
    /// A bound is an estimate that no device has measured yet.
    public let isProvisional: Bool

    /// It was loaded, every call gave what it should, and every bound holds.
    public var passed: Bool {
      problems.isEmpty && !rows.isEmpty && rows.allSatisfy(\.judged.holds)
    }

    /// The row of each metric that comes closest to its bound, or misses it by most.
    public var worst: [SelfTestRow] {
      Gate.Metric.allCases.compactMap { metric in
        rows.filter { $0.judged.metric == metric }.max { $0.judged.strain < $1.judged.strain }
      }
    }
  }

  /// Which program tested: its name and version.
  public let program: (name: String, version: String)
  /// Which bundle.
  public let manifest: Manifest
  /// The device: model, releases, thermal state, power mode, as far as they are known.
  public let machine: JSONObject
  /// In the order in which they ran.
  public let components: [Component]
  /// What needs no weights: steps between the components, small parts, pipelines.
  public let checks: [GoldenReplay.Check]

  /// Every component and every check is as recorded.
  public var passed: Bool {
    !components.isEmpty && components.allSatisfy(\.passed)
      && checks.allSatisfy { $0.problem == nil }
  }

  /// One line for everything that does not hold.
  public var failures: [String] {
    components.flatMap { $0.problems.map(\.failure) + $0.rows.compactMap(\.failure) }
      + checks.compactMap { check in check.problem.map { "\(check.name): \($0)" } }
  }

  /// The first call of the trace, in the order in which a pipeline makes them, that is not as recorded.
  ///
  /// Every call has recorded inputs, so that none is wrong because of another.
  public var firstDivergence: (call: SelfTestCall, failure: String)? {
    let rows = components.flatMap(\.rows).compactMap { row in
      row.failure.map { (call: row.call, failure: $0) }
    }
    let problems = components.flatMap(\.problems).compactMap { problem in
      problem.call.map { (call: $0, failure: problem.failure) }
    }
    return (problems + rows).min { $0.call.place < $1.call.place }
  }

  /// Equal in every field.
  public static func == (left: SelfTestReport, right: SelfTestReport) -> Bool {
    left.json == right.json
  }
}
