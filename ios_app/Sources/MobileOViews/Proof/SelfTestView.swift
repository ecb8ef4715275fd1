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
        Section("First divergence") { SelfTestRowView(row: first) }
      }
      if !test.rows.isEmpty {
        Section("Stages") { ForEach(test.rows) { SelfTestRowView(row: $0) } }
      }
      if !test.loads.isEmpty {
        Section("Memory after each load") { LoadRows(loads: test.loads) }
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
    case .finished(let findings):
      if findings.holds {
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

/// A stage of the trace: how far off, against its gate.
struct SelfTestRowView: View {
  let row: SelfTestRow

  var body: some View {
    VStack(alignment: .leading, spacing: 4) {
      Label(row.id, systemImage: row.problem == nil ? "checkmark.circle" : "xmark.circle")
        .foregroundStyle(row.problem == nil ? AnyShapeStyle(.primary) : AnyShapeStyle(.red))
      if let error = row.error, let gate = row.gate {
        Note("\(scientific(error)), the gate is \(scientific(gate))")
      }
      if let slice = row.worstSlice { Note("Worst: \(slice)") }
      if let problem = row.problem { Text(problem).font(.footnote).textSelection(.enabled) }
    }
    .accessibilityElement(children: .combine)
    .accessibilityValue(row.problem == nil ? "Holds" : "Does not hold")
  }

  private func scientific(_ value: Double) -> String {
    value.formatted(.number.notation(.scientific).precision(.significantDigits(1...3)))
  }
}
