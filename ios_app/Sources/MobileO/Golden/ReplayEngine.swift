/// Plays the component calls of one recorded run: it checks every input that it is given, and returns
/// what was recorded. The engine of the self-test, of previews, and of tests that need no model.
///
/// An input has to be equal to what was recorded, or within the gate of the call that made it; calls
/// have to come in the recorded order. The first that does not fit is named, and ends the run.
public actor ReplayEngine: Engine {
  private let trace: GoldenTrace
  private let run: GoldenRun
  private let calls: [GoldenCall]
  private var played = 0

  /// The engine of the run called `name`.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: the trace has no such run.
  public init(_ trace: GoldenTrace, run name: String) throws {
    guard let run = trace.runs.first(where: { $0.name == name }) else {
      throw MobileOError(
        .usage,
        "the trace has no run '\(name)'; choose one of \(trace.runNames.joined(separator: ", "))")
    }
    self.trace = trace
    self.run = run
    calls = run.calls.filter { GoldenStage.all[$0.stage]?.component != nil }
  }

  /// How many recorded calls were not asked for.
  public var remaining: Int { calls.count - played }

  /// A session that plays the calls of a component.
  public func session(_ component: String) -> any Session {
    ReplaySession(engine: self, component: component)
  }

  /// A session that plays the calls of the language model.
  public func languageModel() -> any LanguageModelSession {
    ReplaySession(engine: self, component: "llm")
  }

  /// Nothing runs: what was recorded answers.
  public func runtime(of component: String) async throws -> ComponentRuntime {
    ComponentRuntime("replay", .device)
  }

  /// Outputs of the next call, which has to be of `stage` with these inputs.
  fileprivate func play(_ stage: String, _ inputs: [String: Tensor]) throws -> [String: Tensor] {
    guard played < calls.count else {
      throw failure("\(run.name): \(stage) is called, but the trace has no more calls")
    }
    let call = calls[played]
    let name = "\(call.name(run)), \(call.stage)"
    guard call.stage == stage else {
      throw failure("\(run.name): \(stage) is called where the trace has \(name)")
    }
    if let other = Set(inputs.keys).symmetricDifference(call.inputs.keys).sorted().first {
      throw failure("\(name): \(other) is given or recorded, not both")
    }
    for (input, entry) in call.inputs.sorted(by: { $0.key < $1.key }) {
      guard let found = inputs[input] else { continue }
      if let problem = try problem(trace.array(entry), found, entry) {
        throw failure("\(name): input \(input): \(problem)")
      }
    }
    played += 1
    return call.outputs.filter { trace.entries[$0.value.entry].storage != .sampled }
      .mapValues { trace.array($0.entry) }
  }

  /// Equal, or within the gate of whatever made the recorded array.
  private func problem(_ recorded: Tensor, _ found: Tensor, _ entry: Int) throws -> String? {
    if recorded == found { return nil }
    let gate = run.calls.lazy.flatMap(\.outputs.values).first { $0.entry == entry }?.gate
    if let gate = gate.flatMap({ trace.gates[$0] }) {
      return try gate.problem(reference: recorded, found: found)
    }
    return recorded.shape == found.shape
      ? "is not as recorded" : "is \(found.summary), recorded is \(recorded.summary)"
  }

  private func failure(_ problem: String) -> MobileOError {
    MobileOError(.checkFailed, "\(problem); verify the bundle, or record it again")
  }
}

/// Plays the calls of one component, see ``ReplayEngine``.
public struct ReplaySession: LanguageModelSession {
  fileprivate let engine: ReplayEngine
  fileprivate let component: String

  /// The recorded outputs of the next call, if it is of this component with these inputs. Of several rows,
  /// of the next calls: a row was recorded as a call of its own.
  public func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    let rows = inputs.values.compactMap(\.shape.first).min() ?? 1
    guard rows > 1 else { return try await engine.play(component, inputs) }
    var played: [[String: Tensor]] = []
    for row in 0..<rows {
      played.append(try await engine.play(component, inputs.mapValues { $0.row(row) }))
    }
    var outputs: [String: Tensor] = [:]
    for name in played[0].keys { outputs[name] = try .joined(played.compactMap { $0[name] }, name) }
    return outputs
  }

  /// The recorded logits of a prompt.
  public func prefill(_ inputIDs: Tensor, imageFeatures: Tensor?) async throws -> Tensor {
    var inputs = ["input_ids": inputIDs]
    inputs["image_features"] = imageFeatures
    return try await output("logits", of: engine.play("llm", inputs), "llm")
  }

  /// The recorded logits behind a token.
  public func step(_ token: Int) async throws -> Tensor {
    let input = Tensor(shape: [1], .int32([Int32(clamping: token)]))
    return try await output("logits", of: engine.play("llm_step", ["token_id": input]), "llm")
  }

  /// Holds nothing.
  public func close() async {}
}
