import MobileO
import MobileOApp
import SwiftUI

/// The recorded trace of the bundle, computed anew on this device, stage by stage.
struct SelfTestView: View {
  let test: SelfTestModel

  var body: some View {
    List {
      Section {
        Note(
          """
          A bundle holds one recorded run of each task. This device computes each stage of it again, \
          and compares.
          """)
        verdict
      }
      if let first = test.firstDivergence {
        Section("First divergence") { ProblemLabel(sentence: first) }
      }
      if !test.problems.isEmpty {
        Section("What could not be compared") {
          ForEach(test.problems, id: \.failure) { ProblemLabel(sentence: $0.failure) }
        }
      }
      if !test.stages.isEmpty {
        Section("Stages") {
          ForEach(test.stages, id: \.name) { StageRows(name: $0.name, rows: $0.rows) }
        }
      }
      if !test.loads.isEmpty {
        Section("Memory after each load") {
          ForEach(test.loads, id: \.component) { load in
            LoadRow(
              component: load.component, took: .seconds(load.seconds), footprint: load.footprint)
          }
        }
      }
      if !test.reports.isEmpty {
        Section("Reports") {
          ForEach(test.reports) { report in
            ReportRow(report: report) { test.remove(report.id) }
          }
        }
      }
    }
    .navigationTitle("Self-test")
  }

  @ViewBuilder private var verdict: some View {
    switch test.state {
    case .idle: start
    case .running(let progress): TrialRows(progress: progress, isStopping: false, stop: test.stop)
    case .stopping(let progress, _):
      TrialRows(progress: progress, isStopping: true, stop: test.stop)
    case .finished(let report):
      if report.passed {
        Label("This device computes what the model computes.", systemImage: "checkmark.seal")
          .foregroundStyle(.green)
          .accessibilityIdentifier("selftest.holds")
      } else {
        Label("This device computes something else.", systemImage: "xmark.seal")
          .foregroundStyle(.red)
          .accessibilityIdentifier("selftest.fails")
      }
      start
    case .stopped:
      Note("Stopped.")
      start
    case .failed(let sentence):
      ProblemLabel(sentence: sentence)
      start
    }
    if let notice = test.notice { ProblemLabel(sentence: notice) }
  }

  private var start: some View {
    Button("Start", systemImage: "play.circle") { Task { await test.run() } }
      .disabled(test.obstacle != nil)
      .accessibilityIdentifier("selftest.start")
  }
}

/// A stage of the trace: every bound of every call, what was found against its gate.
struct StageRows: View {
  let name: String
  let rows: [SelfTestRow]

  private var failed: [SelfTestRow] { rows.filter { $0.failure != nil } }

  var body: some View {
    DisclosureGroup {
      ForEach(Array(rows.enumerated()), id: \.offset) { _, row in
        VStack(alignment: .leading, spacing: 4) {
          Label(
            row.call.name + ", " + row.output,
            systemImage: row.failure == nil ? "checkmark.circle" : "xmark.circle")
          Note(
            """
            \(row.judged.metric.rawValue): \(row.judged.valueText), the gate is \
            \(row.judged.boundText)
            """)
        }
        .accessibilityElement(children: .combine)
        .accessibilityValue(row.failure == nil ? "Holds" : "Does not hold")
      }
    } label: {
      Label {
        componentTitle(name)
      } icon: {
        Image(systemName: failed.isEmpty ? "checkmark.circle" : "xmark.circle")
          .foregroundStyle(failed.isEmpty ? .green : .red)
      }
      .accessibilityValue(
        failed.isEmpty
          ? "Holds" : "\(failed.count, specifier: "%lld") bounds do not hold")
    }
    .accessibilityIdentifier("selftest.stage." + name)
  }
}
