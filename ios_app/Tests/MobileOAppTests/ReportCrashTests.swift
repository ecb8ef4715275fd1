import Foundation
import MobileO
import MobileOApp
import Testing

/// The app is killed at every change of the disk while a report is kept or removed.
@MainActor @Suite struct ReportCrashTests {
  /// A report as it is shown and exported.
  private struct Shown: Equatable {
    let id: KeptReport.ID
    let digest: String

    init(_ report: KeptReport) { (id, digest) = (report.id, SHA256Digest.of(report.bytes)) }
  }

  /// What both kinds of trial have in common here.
  private struct Trial {
    let reports: () -> [Shown]
    let run: () async -> Void
    let remove: (KeptReport.ID) -> Void
  }

  private enum Kind: String, CaseIterable {
    case selftest, benchmark
  }

  /// The next start of the app, with what is kept on `memory`.
  private static func trial(_ kind: Kind, _ bench: ProofBench, _ memory: MemoryDisk) throws -> Trial
  {
    let (studio, date) = (bench.table.studio, { @Sendable in Date(timeIntervalSince1970: 1000) })
    switch kind {
    case .selftest:
      let report = SelfTestReport.sample(try SealedBundle().manifest, problem: nil)
      let tester = SelfTester { _, _, _ in
        AsyncThrowingStream { continuation in
          continuation.yield(.report(report))
          continuation.finish()
        }
      }
      let model = SelfTestModel(
        studio: studio, bundle: URL(fileURLWithPath: ToyBundle.folder), tester: tester,
        device: bench.device, reports: bench.reports, disk: memory.disk, date: date)
      return Trial(reports: { model.reports.map(Shown.init) }, run: model.run, remove: model.remove)
    case .benchmark:
      let model = BenchmarkModel(
        studio: studio, engine: { AppEngine(bench.table.engine, runtime: "toy") },
        device: bench.device, reports: bench.reports, disk: memory.disk, date: date)
      (model.runs, model.tokens, model.steps) = (1, 1, 1)
      return Trial(reports: { model.reports.map(Shown.init) }, run: model.run, remove: model.remove)
    }
  }

  @Test(arguments: Kind.allCases) private func noReportIsLostOrHalf(_ kind: Kind) async throws {
    let bench = try await ProofBench()
    let before = MemoryDisk(["/reports/other-5.json": [1], "/reports/\(kind)-x.json.txt": [2]])
    let first = try Self.trial(kind, bench, before)
    for _ in 0..<2 { await first.run() }
    let earlier = first.reports()
    #expect(earlier.count == 2 && before.changes == 4)
    let goes = try #require(earlier.last)
    // A report is written, renamed into its place, and an older one removed.
    for number in 0..<3 {
      let memory = MemoryDisk(before.content)
      let dying = try Self.trial(kind, bench, memory)
      memory.die(at: number)
      await dying.run()
      let kept = dying.reports().filter { !earlier.contains($0) }
      #expect(kept.count == (number == 2 ? 1 : 0), "\(number): what is not kept is not shown so")
      dying.remove(goes.id)
      #expect(dying.reports().contains(goes), "\(number): what is not removed is shown")
      for _ in 0..<2 {  // the start after the kill, and one more
        memory.die(at: .max)
        let next = try Self.trial(kind, bench, memory)
        #expect(next.reports() == kept + earlier, "\(number)")
        #expect(
          memory.content.keys.sorted()
            == (before.content.keys + kept.map { "/reports/" + $0.id }).sorted(),
          "\(number): nothing half written is left, and what is not ours stays")
      }
      let next = try Self.trial(kind, bench, memory)
      await next.run()
      next.remove(goes.id)
      let last = try Self.trial(kind, bench, memory).reports()
      #expect(last == next.reports() && last.count == kept.count + 2 && !last.contains(goes))
    }
  }

  /// What another trial is about to write is not this one's to clear.
  @Test func eachKindClearsItsOwn() async throws {
    let bench = try await ProofBench()
    let (own, others) = ("/reports/selftest-9.json.partial", "/reports/benchmark-9.json.partial")
    let memory = MemoryDisk([own: [1], others: [2]])
    let trial = try Self.trial(.selftest, bench, memory)
    #expect(trial.reports().isEmpty && memory.content == [others: [2]])
    memory.content[own] = [1]
    memory.die(at: 0)
    #expect(try Self.trial(.selftest, bench, memory).reports().isEmpty, "it cannot be cleared yet")
  }
}
