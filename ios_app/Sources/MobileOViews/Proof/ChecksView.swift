import MobileO
import MobileOApp
import SwiftUI

/// Whether this device computes what the model computes, and how fast.
struct ChecksView: View {
  let bundle: InstalledBundle
  @Environment(AppModel.self) private var app
  @State private var selfTest: SelfTestModel?
  @State private var benchmark: BenchmarkModel?

  var body: some View {
    NavigationStack {
      List {
        if let selfTest {
          NavigationLink("Self-test") { SelfTestView(test: selfTest) }
            .accessibilityIdentifier("checks.selftest")
        }
        if let benchmark {
          NavigationLink("Benchmark") { BenchmarkView(benchmark: benchmark) }
            .accessibilityIdentifier("checks.benchmark")
        }
        Note(
          "Both give a file to share: it says which bundle, which device, and what was measured.")
      }
      .navigationTitle("Checks")
    }
    .onChange(of: bundle.id, initial: true) { _, _ in begin() }
  }

  private func begin() {
    selfTest = app.selfTest()
    benchmark = app.benchmark()
  }
}

/// A report that was kept: when, and its file to share.
struct ReportRow: View {
  let report: KeptReport
  let remove: @MainActor () -> Void

  var body: some View {
    HStack {
      Text(verbatim: report.made.formatted(date: .abbreviated, time: .shortened))
      Spacer()
      ShareLink(item: String(decoding: report.bytes, as: UTF8.self)) {
        Label("Share", systemImage: "square.and.arrow.up").labelStyle(.iconOnly)
      }
      Button("Delete", systemImage: "trash", role: .destructive, action: remove)
        .labelStyle(.iconOnly)
    }
    .buttonStyle(.borderless)
  }
}

/// What a load took of time and memory.
struct LoadRow: View {
  let component: String
  let took: Duration
  let footprint: Int?

  var body: some View {
    LabeledContent {
      VStack(alignment: .trailing) {
        Text(verbatim: time(took))
        if let footprint { Text(verbatim: bytes(footprint)).font(.footnote) }
      }
    } label: {
      componentTitle(component)
    }
  }
}

/// How far a self-test or a benchmark is, and its way to stop.
struct TrialRows: View {
  let progress: TrialProgress
  let isStopping: Bool
  let stop: @MainActor () -> Void

  var body: some View {
    Text(verbatim: progress.stage)
    Bar(done: progress.done, of: progress.count, label: "Progress")
    Button(isStopping ? "Stopping" : "Stop", systemImage: "stop.circle", action: stop)
      .disabled(isStopping)
      .accessibilityIdentifier("trial.stop")
  }
}
