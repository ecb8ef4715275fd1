import Foundation

/// Does this device compute what the model computes? Runs every recorded call of every component of a
/// bundle on `engine`, from recorded inputs, and holds each output to the gates that the trace carries.
///
///     for try await event in SelfTest(bundle: url, engine: engine).run() {
///       if case .report(let report) = event { print(report.passed) }
///     }
///
/// One component at a time is loaded. The transformer comes first, whose linear attention is what has
/// crashed on devices; then the others, the largest before. It can be cancelled between any two calls.
/// Outputs are not damaged on purpose to prove the gates, as `mobileo-export verify --replay` does.
public struct SelfTest: Sendable {
  /// The order in which components run.
  public static let order = ["dit", "llm", "vision_encoder", "vae_decoder", "mcp"]

  private let folder: String
  private let engine: any Engine
  private let program: (name: String, version: String)
  private let machine: JSONObject
  private let footprint: @Sendable () -> Int?
  private let before: @Sendable (SelfTestEvent) async -> Void

  /// A test of the bundle in a folder, whose seal holds.
  ///
  /// - Parameters:
  ///   - bundle: A folder made by mobileo-export, with a golden trace.
  ///   - engine: Runs the components; it says which gates they have to meet
  ///     (``Engine/runtime(of:)``).
  ///   - program: Name and version for the report; this package's where there is no other.
  ///   - machine: What the report says of the device.
  ///   - footprint: Bytes that the process takes now; nil where nobody measures.
  ///   - before: Told ``SelfTestEvent/loading(component:)`` and
  ///     ``SelfTestEvent/calling(_:done:of:)`` and waited for, before anything is loaded or called: a
  ///     place to note what goes on for the case that it ends the app.
  public init(
    bundle: URL, engine: any Engine,
    program: (name: String, version: String)? = nil,
    machine: JSONObject = JSONObject([]), footprint: @escaping @Sendable () -> Int? = { nil },
    before: @escaping @Sendable (SelfTestEvent) async -> Void = { _ in }
  ) {
    folder = bundle.path
    self.program = program ?? ("MobileO", Release.version)
    (self.engine, self.machine) = (engine, machine)
    (self.footprint, self.before) = (footprint, before)
  }

  /// Runs it. The last event is the report, whether it passed or not; ending the stream, or the task
  /// that reads it, cancels.
  ///
  /// - Returns: A stream that fails with ``MobileOError``: of kind `bundle` or `tokenizer` when the
  ///   bundle has no trace or cannot be read, of kind `unreachable` or `refused` when what runs the
  ///   components is gone; or with `CancellationError`.
  public func run() -> AsyncThrowingStream<SelfTestEvent, any Error> {
    events { emit in
      let report = try await tested(emit)
      emit(.report(report))
    }
  }

  private typealias Emit = @Sendable (SelfTestEvent) -> Void

  private func tested(_ emit: @escaping Emit) async throws -> SelfTestReport {
    let manifest = try Manifest(folder: folder)
    let trace = try GoldenTrace(folder: folder, manifest: manifest)
    try GoldenReplay.check(folder, manifest, trace)
    var recorded: [String: [RecordedCall]] = [:]
    var place = 0
    for run in trace.runs {
      for call in run.calls {
        place += 1
        guard let component = GoldenStage.all[call.stage]?.component else { continue }
        recorded[component, default: []].append(RecordedCall(component, run, call, place))
      }
    }
    let total = recorded.values.reduce(0) { $0 + $1.count }
    var done = 0
    var components: [SelfTestReport.Component] = []
    for name in Self.order {
      guard let calls = recorded[name] else { continue }
      let test = ComponentTest(
        name: name, runtime: try await engine.runtime(of: name), trace: trace, calls: calls,
        footprint: footprint, tell: tell(emit), emit: emit)
      components.append(try await test.run(on: engine, done: done, of: total))
      done += calls.count
    }
    try await tell(emit)(.checking)
    let replay = try await GoldenReplay(folder: folder, manifest: manifest, trace: trace)
    return SelfTestReport(
      program: program, manifest: manifest, machine: machine, components: components,
      checks: replay.checks)
  }

  /// Emits an event, and waits until whoever takes note of it has done so.
  private func tell(_ emit: @escaping Emit) -> @Sendable (SelfTestEvent) async throws -> Void {
    { event in
      try Task.checkCancellation()
      emit(event)
      await before(event)
      try Task.checkCancellation()
    }
  }
}

/// A call of a component, as recorded.
private struct RecordedCall: Sendable {
  let call: SelfTestCall
  let content: GoldenCall
  /// Whether the run goes on token by token.
  let continues: Bool

  init(_ component: String, _ run: GoldenRun, _ call: GoldenCall, _ place: Int) {
    self.call = SelfTestCall(
      component: component, stage: call.stage, run: run.name, step: call.step, branch: call.branch,
      place: place)
    content = call
    continues = run.sampling != nil
  }
}

/// The calls of one component.
private struct ComponentTest {
  let name: String
  let runtime: ComponentRuntime
  let trace: GoldenTrace
  let calls: [RecordedCall]
  let footprint: @Sendable () -> Int?
  let tell: @Sendable (SelfTestEvent) async throws -> Void
  let emit: @Sendable (SelfTestEvent) -> Void

  func run(on engine: any Engine, done: Int, of total: Int) async throws -> SelfTestReport.Component
  {
    try await tell(.loading(component: name))
    let started = ContinuousClock.now
    let session: any Session
    do {
      session = name == "llm" ? try await engine.languageModel() : try await engine.session(name)
    } catch {
      return result(nil, problems: [try problem(error, nil)])
    }
    do {
      let load = SelfTestLoad(
        component: name, seconds: seconds(since: started), footprint: footprint())
      emit(.loaded(load))
      let found = try await run(session, load, done, total)
      await session.close()
      return found
    } catch {
      await session.close()
      throw error
    }
  }

  private func run(
    _ session: any Session, _ load: SelfTestLoad, _ done: Int, _ total: Int
  ) async throws -> SelfTestReport.Component {
    var rows: [SelfTestRow] = []
    var problems: [SelfTestProblem] = []
    var (first, most) = (Double?.none, load.footprint)
    for (number, recorded) in calls.enumerated() {
      try await tell(.calling(recorded.call, done: done + number, of: total))
      let started = ContinuousClock.now
      do {
        let outputs = try await outputs(session, recorded)
        first = first ?? seconds(since: started)
        most = [most, footprint()].compactMap(\.self).max()
        for (name, _) in recorded.content.outputs.sorted(by: { $0.key < $1.key }) {
          switch try judged(name, outputs, recorded) {
          case .rows(let judged):
            rows += judged
            judged.forEach { emit(.row($0)) }
          case .problem(let problem):
            problems.append(problem)
            emit(.problem(problem))
          }
        }
      } catch {
        problems.append(try problem(error, recorded.call))
      }
    }
    return result(load, first, most, rows, problems: problems)
  }

  private enum Judgement {
    case rows([SelfTestRow])
    case problem(SelfTestProblem)
  }

  private func judged(
    _ name: String, _ outputs: [String: Tensor], _ recorded: RecordedCall
  ) throws -> Judgement {
    func refused(_ problem: String) -> Judgement {
      .problem(
        SelfTestProblem(
          component: self.name, call: recorded.call, output: name, problem: problem))
    }
    guard let wanted = recorded.content.outputs[name], let gate = trace.gates[wanted.gate],
      let found = outputs[name]
    else { return refused("is not given; verify the bundle") }
    let entry = trace.entries[wanted.entry]
    if found.shape != entry.shape || found.dtype != entry.dtype {
      let sizes = entry.shape.map(String.init).joined(separator: ", ")
      return refused("is \(found.summary), expected \(entry.dtype) [\(sizes)]")
    }
    let judged = try gate.judged(
      reference: trace.array(wanted.entry), found: entry.part(of: found), runtime.executor)
    return .rows(judged.map { SelfTestRow(call: recorded.call, output: name, judged: $0) })
  }

  /// What the component makes of a call's recorded inputs.
  private func outputs(
    _ session: any Session, _ recorded: RecordedCall
  ) async throws -> [String: Tensor] {
    let inputs = recorded.content.inputs.mapValues { trace.array($0) }
    guard name == "llm", recorded.continues, let model = session as? any LanguageModelSession
    else { return try await session.run(inputs) }
    if recorded.call.stage == "llm_step", case .int32(let ids) = inputs["token_id"]?.values {
      return ["logits": try await model.step(ids.first.map { Int($0) } ?? 0)]
    }
    guard let ids = inputs["input_ids"] else { return [:] }
    // Reading a prompt to go on with it gives no hidden states; running it does.
    var found = try await model.run(inputs)
    found["logits"] = try await model.prefill(ids, imageFeatures: inputs["image_features"])
    return found
  }

  /// What an error of the engine's says; one that ends the whole test is thrown.
  private func problem(_ error: any Error, _ call: SelfTestCall?) throws -> SelfTestProblem {
    if error is CancellationError || Task.isCancelled { throw CancellationError() }
    if let error = error as? MobileOError, [.unreachable, .refused].contains(error.kind) {
      throw error
    }
    let said = (error as? MobileOError)?.description ?? oneLine(error.localizedDescription)
    let found = SelfTestProblem(component: name, call: call, output: nil, problem: said)
    emit(.problem(found))
    return found
  }

  private func result(
    _ load: SelfTestLoad?, _ first: Double? = nil, _ most: Int? = nil, _ rows: [SelfTestRow] = [],
    problems: [SelfTestProblem]
  ) -> SelfTestReport.Component {
    let gates = Set(calls.flatMap { $0.content.outputs.values.map(\.gate) })
    return SelfTestReport.Component(
      name: name, runtime: runtime, load: load, firstCall: first, mostFootprint: most,
      calls: load == nil ? 0 : calls.count, rows: rows, problems: problems,
      isProvisional: gates.contains { trace.gates[$0]?.bound(runtime.executor).provisional == true }
    )
  }
}

private func seconds(since start: ContinuousClock.Instant) -> Double {
  start.duration(to: .now) / .seconds(1)
}
