import Foundation
import MobileO
import Observation

/// How fast this device is: loads, stages, tokens, and what they take of memory, heat and battery.
@MainActor @Observable
public final class BenchmarkModel {
  /// Where it stands.
  public private(set) var state = TrialState<BenchmarkReport>.idle
  /// Runs that count.
  public var runs = 5
  /// The longest answer in tokens.
  public var tokens = 64
  /// Of a picture.
  public var steps: Int
  /// What each load took of memory.
  public private(set) var loads: [LoadFootprint] = []
  /// Earlier reports, the newest first: to compare with.
  public private(set) var reports: [KeptReport] = []
  /// What could not be done, in one sentence, until something else is.
  public private(set) var notice: String?

  @ObservationIgnored private let studio: Studio
  @ObservationIgnored private let engine: @MainActor () -> AppEngine?
  @ObservationIgnored private let device: Device
  @ObservationIgnored private let folder: ReportFolder
  @ObservationIgnored private let date: @Sendable () -> Date

  /// A benchmark of the studio's engine, which `engine` gives: it is another when the settings change.
  public init(
    studio: Studio, engine: @escaping @MainActor () -> AppEngine?, device: Device = Device(),
    reports: URL,
    disk: Disk = .real, date: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.studio = studio
    self.engine = engine
    self.device = device
    steps = studio.model.recipe.sampling.steps
    folder = ReportFolder(folder: reports.path, kind: "benchmark", disk: disk)
    self.date = date
    self.reports = folder.read()
  }

  /// Why it cannot begin now, in one sentence; nil if it can.
  public var obstacle: String? {
    do {
      _ = try benchmark
      return studio.obstacle
    } catch {
      return sentence(of: error)
    }
  }

  /// Runs it, and waits until it has ended.
  public func run() async {
    notice = obstacle
    guard notice == nil, !state.isBusy else { return }
    loads = []
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

  private var benchmark: PipelineBenchmark {
    get throws {
      try PipelineBenchmark(
        Drawing(studio.model.recipe, steps: steps), runs: runs, tokens: tokens)
    }
  }

  private func report() async throws -> BenchmarkReport {
    let benchmark = try benchmark
    guard let engine = engine() else {
      throw MobileOError(.usage, "No bundle is open: open one first.")
    }
    let run = BenchmarkRun(benchmark: benchmark, engine: engine, device: device)
    return try await studio.occupy(.benchmark) { gated in
      try await run.report(studio.model, gated) { load in
        Task { @MainActor [weak self] in self?.loads.append(load) }
      } tell: { stage, done, count in
        apply(.progress(TrialProgress(stage, done, of: count)))
      }
    }
  }

  private func apply(_ event: TrialState<BenchmarkReport>.Event) {
    if let next = state.after(event) { state = next }
  }
}
