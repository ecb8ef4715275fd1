import MobileOApp
import SwiftUI

/// What is wanted of the model: four chips, one of them chosen by the user and by nobody else.
struct IntentChips: View {
  @Binding var intent: Intent

  var body: some View {
    ViewThatFits(in: .horizontal) {
      HStack(spacing: 8) { chips }
      VStack(alignment: .leading, spacing: 8) { chips }
    }
    .accessibilityElement(children: .contain)
    .accessibilityLabel("What you want")
  }

  private var chips: some View {
    ForEach(Intent.allCases, id: \.self) { choice in
      Button {
        intent = choice
      } label: {
        Label(choice.title, systemImage: choice.systemImage)
          .font(.callout)
          .padding(.horizontal, 12)
          .padding(.vertical, 8)
          .foregroundStyle(choice == intent ? AnyShapeStyle(.tint) : AnyShapeStyle(.secondary))
          .background(.quaternary, in: .capsule)
          .overlay { if choice == intent { Capsule().stroke(.tint) } }
      }
      .buttonStyle(.plain)
      .accessibilityAddTraits(choice == intent ? .isSelected : [])
      .accessibilityIdentifier("intent." + choice.rawValue)
    }
  }
}
