import Foundation
import MobileO
import Observation

/// What runs a self-test: ``SelfTest``, or what a test has in its place.
public struct SelfTester: Sendable {
  /// The events of a test of the bundle in a folder; the report is the last.
  public var run:
    @Sendable (_ bundle: URL, _ engine: any Engine, _ device: Device) -> AsyncThrowingStream<
      SelfTestEvent, any Error
    >

  /// A test of one's own.
  public init(
    run:
      @escaping @Sendable (URL, any Engine, Device) -> AsyncThrowingStream<
        SelfTestEvent, any Error
      >
  ) {
    self.run = run
  }

  /// The bundle's golden trace.
  public static let trace = SelfTester { bundle, engine, device in
    SelfTest(
      bundle: bundle, engine: engine, program: ("MobileO app", Release.version),
      machine: device.description, footprint: device.footprint
    ).run()
  }
}

/// Whether this device computes what the model computes: the recorded trace of a bundle, stage by stage.
@MainActor @Observable
public final class SelfTestModel {
  /// Where it stands.
  public private(set) var state = TrialState<SelfTestReport>.idle
  /// What was compared so far, in the order in which it ran.
  public private(set) var rows: [SelfTestRow] = []
  /// What could not be compared.
  public private(set) var problems: [SelfTestProblem] = []
  /// What each load took of time and of memory.
  public private(set) var loads: [SelfTestLoad] = []
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
    studio: Studio, bundle: URL, tester: SelfTester = .trace, device: Device = Device(),
    reports: URL,
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

  /// The rows of each component and stage, in the order in which they ran: what a table shows.
  public var stages: [(name: String, rows: [SelfTestRow])] {
    var found: [(name: String, rows: [SelfTestRow])] = []
    for row in rows {
      if let place = found.firstIndex(where: { $0.name == row.call.stage }) {
        found[place].rows.append(row)
      } else {
        found.append((row.call.stage, [row]))
      }
    }
    return found
  }

  /// What of the finished report is wrong first, in the order in which a pipeline goes: where to look.
  public var firstDivergence: String? {
    if case .finished(let report) = state {
      return report.firstDivergence?.failure ?? report.failures.first
    }
    return rows.lazy.compactMap(\.failure).first ?? problems.first?.failure
  }

  /// Runs it, and waits until it has ended.
  public func run() async {
    notice = obstacle
    guard notice == nil, !state.isBusy else { return }
    (rows, problems, loads) = ([], [], [])
    apply(.begin)
    do {
      let report = try await report()
      apply(.done(report))
      reports.insert(try folder.keep(report.json, at: date()), at: 0)
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

  private func report() async throws -> SelfTestReport {
    try await studio.occupy(.selfTest) { engine in
      for try await event in tester.run(bundle, engine, device) {
        switch event {
        case .loading(let component): progress { $0.stage = component }
        case .loaded(let load): loads.append(load)
        case .calling(let call, let done, let count):
          progress { $0 = TrialProgress("\(call.component), \(call.name)", done, of: count) }
        case .row(let row): rows.append(row)
        case .problem(let problem): problems.append(problem)
        case .checking: progress { ($0.stage, $0.done) = ("checks", $0.count) }
        case .report(let report): return report
        }
      }
      throw CancellationError()
    }
  }

  private func progress(_ change: (inout TrialProgress) -> Void) {
    var now = state.progress ?? TrialProgress()
    change(&now)
    apply(.progress(now))
  }

  private func apply(_ event: TrialState<SelfTestReport>.Event) {
    if let next = state.after(event) { state = next }
  }
}
