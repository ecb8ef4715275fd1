import Foundation
import MobileO
import MobileOApp
import SwiftUI

/// How far a turn is: its stage, its steps, time left, the preview, the text so far.
struct ProgressCard: View {
  let request: Request
  let progress: RunProgress
  let isStopping: Bool
  @Environment(\.accessibilityReduceMotion) private var reduceMotion

  var body: some View {
    VStack(alignment: .leading, spacing: 10) {
      if let preview = progress.preview {
        PictureImage(picture: preview, label: Text("Preview after step \(steps)"))
          .frame(maxWidth: 512)
          .animation(reduceMotion ? nil : .default, value: progress.step)
      }
      if !progress.text.isEmpty {
        Text(progress.text).textSelection(.enabled)
      }
      Text(stage).font(.callout)
      if progress.steps > 0 {
        Bar(done: progress.step, of: progress.steps, label: "Progress of the picture")
          .accessibilityIdentifier("progress")
        HStack {
          Text("Step \(steps) of \(progress.steps.formatted())")
          Spacer()
          if let left = progress.timeLeft { Text("\(time(left)) left") }
        }
        .font(.footnote)
        .foregroundStyle(.secondary)
        .monospacedDigit()
      } else if progress.text.isEmpty {
        ProgressView().accessibilityLabel("Working")
      }
    }
    .accessibilityElement(children: .contain)
    .accessibilityAddTraits(.updatesFrequently)
  }

  private var steps: String { progress.step.formatted() }

  private var stage: LocalizedStringKey {
    isStopping ? "Stopping: the step that is under way ends" : progress.stage?.title ?? "Beginning"
  }
}
