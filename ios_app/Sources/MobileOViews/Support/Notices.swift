import SwiftUI

/// What went wrong and what to do, in the one sentence that the models give.
struct ProblemLabel: View {
  let sentence: String

  var body: some View {
    Label(sentence, systemImage: "exclamationmark.triangle")
      .font(.callout)
      .foregroundStyle(.orange)
      .textSelection(.enabled)
      .accessibilityIdentifier("problem")
  }
}

/// A sentence over the screen, until the user has read it.
struct Banner: View {
  let sentence: String
  let systemImage: String
  let dismiss: @MainActor () -> Void

  var body: some View {
    ViewThatFits(in: .horizontal) {
      HStack(spacing: 12) { content }
      VStack(alignment: .leading, spacing: 8) { content }
    }
    .padding()
    .frame(maxWidth: .infinity, alignment: .leading)
    .background(.regularMaterial, in: .rect(cornerRadius: 16))
    .padding(.horizontal)
    .accessibilityElement(children: .contain)
    .accessibilityIdentifier("banner")
  }

  @ViewBuilder private var content: some View {
    Label(sentence, systemImage: systemImage).font(.callout).textSelection(.enabled)
    Button("OK", action: dismiss).buttonStyle(.bordered)
  }
}
