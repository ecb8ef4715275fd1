import Foundation
import MobileO
import MobileOApp
import SwiftUI

/// How fast this device is, in the form that Python's and the board's benchmarks have.
struct BenchmarkView: View {
  @Bindable var benchmark: BenchmarkModel

  var body: some View {
    List {
      Section {
        Stepper(value: $benchmark.runs, in: 1...50) {
          LabeledContent("Runs", value: benchmark.runs.formatted())
        }
        .accessibilityValue(Text(benchmark.runs.formatted()))
        Stepper(value: $benchmark.tokens, in: AppSettings.answerLengths, step: 16) {
          LabeledContent("Longest answer, tokens", value: benchmark.tokens.formatted())
        }
        .accessibilityValue(Text(benchmark.tokens.formatted()))
        Stepper(value: $benchmark.steps, in: 1...Schedule.mostSteps) {
          LabeledContent("Steps", value: benchmark.steps.formatted())
        }
        .accessibilityValue(Text(benchmark.steps.formatted()))
      }
      .disabled(benchmark.state.isBusy)
      Section { state }
      if !benchmark.loads.isEmpty {
        Section("Memory after each load") {
          ForEach(benchmark.loads) { load in
            LoadRow(component: load.component, took: load.took, footprint: load.footprint)
          }
        }
      }
      if !benchmark.reports.isEmpty {
        Section("Reports") {
          ForEach(benchmark.reports) { report in
            ReportRow(report: report) { benchmark.remove(report.id) }
          }
        }
      }
    }
    .navigationTitle("Benchmark")
  }

  @ViewBuilder private var state: some View {
    switch benchmark.state {
    case .idle: start
    case .running(let progress):
      TrialRows(progress: progress, isStopping: false, stop: benchmark.stop)
    case .stopping(let progress, _):
      TrialRows(progress: progress, isStopping: true, stop: benchmark.stop)
    case .finished(let report):
      MeasurementRows(report: report)
      start
    case .stopped:
      Note("Stopped.")
      start
    case .failed(let sentence):
      ProblemLabel(sentence: sentence)
      start
    }
    if let notice = benchmark.notice { ProblemLabel(sentence: notice) }
  }

  @ViewBuilder private var start: some View {
    Button("Start", systemImage: "play.circle") { Task { await benchmark.run() } }
      .disabled(benchmark.obstacle != nil)
      .accessibilityIdentifier("benchmark.start")
    if let obstacle = benchmark.obstacle { ProblemLabel(sentence: obstacle) }
  }
}

/// What was measured: each with its definition, median and 95th percentile.
struct MeasurementRows: View {
  let report: BenchmarkReport

  var body: some View {
    ForEach(report.measurements, id: \.name) { measurement in
      let texts = measurement.quantilesText
      VStack(alignment: .leading, spacing: 4) {
        LabeledContent(measurement.name, value: "\(texts.median) \(measurement.unit.rawValue)")
        Note("95th percentile: \(texts.p95) \(measurement.unit.rawValue)")
        Text(measurement.definition).font(.footnote).foregroundStyle(.secondary)
      }
      .accessibilityElement(children: .combine)
    }
    ForEach(report.notes, id: \.self) { Text($0).font(.footnote) }
  }
}
