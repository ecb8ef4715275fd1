import Foundation
import MobileO
import Observation

/// One line of the self-test: a stage of the recorded trace, and how far the device is from it.
public struct SelfTestRow: Sendable, Equatable, Identifiable {
  /// Where in the trace: such as `generate, step 2, dit`.
  public let id: String
  /// `dit`, `llm`, `tokens`, ….
  public let stage: String
  /// What was measured, and the gate's bound of it, of the metric that comes nearest to its bound; nil
  /// of what has to be equal.
  public let error: Double?
  /// See ``error``.
  public let gate: Double?
  /// The slice that is furthest off; nil where the layout has none.
  public let worstSlice: String?
  /// What does not hold, in a few words; nil if all does.
  public let problem: String?

  /// A line.
  public init(
    id: String, stage: String, error: Double?, gate: Double?, worstSlice: String?, problem: String?
  ) {
    (self.id, self.stage, self.error, self.gate) = (id, stage, error, gate)
    (self.worstSlice, self.problem) = (worstSlice, problem)
  }
}

/// What a self-test found.
public struct SelfTestFindings: Sendable, Equatable {
  /// In the order of the trace.
  public let rows: [SelfTestRow]
  /// The document of the whole.
  public let json: JSONValue

  /// All that was compared, and the document.
  public init(rows: [SelfTestRow], json: JSONValue) {
    (self.rows, self.json) = (rows, json)
  }

  /// Whether every gate holds.
  public var holds: Bool { rows.allSatisfy { $0.problem == nil } }
}

/// What runs a self-test: the trace of a bundle on an engine.
public struct SelfTester: Sendable {
  /// What happens, in order; the findings are the last.
  public enum Event: Sendable, Equatable {
    case stage(String, done: Int, of: Int)
    case row(SelfTestRow)
    case findings(SelfTestFindings)
  }

  /// The stream fails with ``MobileOError``.
  public var run:
    @Sendable (_ bundle: URL, _ engine: any Engine) -> AsyncThrowingStream<Event, any Error>

  /// A test of one's own.
  public init(
    run: @escaping @Sendable (URL, any Engine) -> AsyncThrowingStream<Event, any Error>
  ) {
    self.run = run
  }
}

/// Whether this device computes what the model computes: the recorded trace of a bundle, stage by stage.
@MainActor @Observable
public final class SelfTestModel {
  /// Where it stands.
  public private(set) var state = TrialState<SelfTestFindings>.idle
  /// What was compared so far.
  public private(set) var rows: [SelfTestRow] = []
  /// What each load took of memory.
  public private(set) var loads: [LoadFootprint] = []
  /// Earlier reports, the newest first.
  public private(set) var reports: [KeptReport] = []
  /// What could not be done, in one sentence, until something else is.
  public private(set) var notice: String?

  @ObservationIgnored private let studio: Studio
  @ObservationIgnored private let bundle: URL
  @ObservationIgnored private let tester: SelfTester
  @ObservationIgnored private let device: Device
  @ObservationIgnored private let folder: ReportFolder
  @ObservationIgnored private let date: @Sendable () -> Date

  /// A test of the studio's engine with the trace of its bundle.
  ///
  /// - Parameters:
  ///   - bundle: the folder of the studio's bundle.
  ///   - reports: where reports are kept.
  public init(
    studio: Studio, bundle: URL, tester: SelfTester, device: Device = Device(), reports: URL,
    disk: Disk = .real, date: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.studio = studio
    self.bundle = bundle
    self.tester = tester
    self.device = device
    folder = ReportFolder(folder: reports.path, kind: "selftest", disk: disk)
    self.date = date
    self.reports = folder.read()
  }

  /// Why it cannot begin now, in one sentence; nil if it can.
  public var obstacle: String? {
    studio.model.manifest.golden == nil
      ? "This bundle has no golden trace: record one with mobileo-export record." : studio.obstacle
  }

  /// The first row that does not hold, in the order of the trace: where to look first.
  public var firstDivergence: SelfTestRow? { rows.first { $0.problem != nil } }

  /// Runs it, and waits until it has ended.
  public func run() async {
    notice = obstacle
    guard notice == nil, !state.isBusy else { return }
    (rows, loads) = ([], [])
    apply(.begin)
    do {
      let findings = try await findings()
      apply(.done(findings))
      reports.insert(try folder.keep(findings.json, at: date()), at: 0)
    } catch is CancellationError {
      apply(.ended(studio.closed))
    } catch {
      if state.isBusy { apply(.failed(sentence(of: error))) } else { notice = sentence(of: error) }
    }
  }

  /// Ends it as soon as the call in flight has.
  public func stop() {
    guard case .running = state else { return }
    apply(.stop(.stopped))
    studio.vacate()
  }

  /// Removes a report.
  public func remove(_ id: KeptReport.ID) {
    do {
      try folder.remove(id)
      reports.removeAll { $0.id == id }
    } catch {
      notice = sentence(of: error)
    }
  }

  private func findings() async throws -> SelfTestFindings {
    try await studio.occupy(.selfTest) { engine in
      let metered = MeteredEngine(engine, device) { load in
        Task { @MainActor [weak self] in self?.loads.append(load) }
      }
      for try await event in tester.run(bundle, metered) {
        switch event {
        case .stage(let name, let done, let count):
          apply(.progress(TrialProgress(name, done, of: count)))
        case .row(let row): rows.append(row)
        case .findings(let findings): return findings
        }
      }
      throw CancellationError()
    }
  }

  private func apply(_ event: TrialState<SelfTestFindings>.Event) {
    if let next = state.after(event) { state = next }
  }
}
