import MobileO
import MobileOApp
import SwiftUI

/// Steps, guidance and seed of a picture.
struct LookControls: View {
  @Binding var composer: Composer
  let recipe: Recipe
  /// The seed of the last picture, to be copied and to be used again.
  let lastSeed: UInt64?

  var body: some View {
    DisclosureGroup("Steps, guidance, seed") {
      VStack(alignment: .leading, spacing: 12) {
        Stepper(value: $composer.steps, in: 1...Schedule.mostSteps) {
          LabeledContent("Steps", value: composer.steps.formatted())
        }
        .accessibilityValue(Text(composer.steps.formatted()))
        .accessibilityIdentifier("steps")
        LabeledContent("Guidance", value: number(composer.guidance))
        Slider(value: $composer.guidance, in: 1...Drawing.mostGuidance, step: 0.1) {
          Text("Guidance")
        }
        .accessibilityValue(Text(number(composer.guidance)))
        SeedField(
          text: $composer.seedText, isLocked: $composer.isSeedLocked, lastSeed: lastSeed)
        Button("As in the recipe", systemImage: "arrow.uturn.backward") {
          composer.steps = recipe.sampling.steps
          composer.guidance = recipe.sampling.guidance
        }
        .disabled(
          composer.steps == recipe.sampling.steps
            && composer.guidance == recipe.sampling.guidance)
      }
      .padding(.top, 8)
    }
    .accessibilityIdentifier("look")
  }
}

/// The seed: typed, by chance, the last one, kept or not.
struct SeedField: View {
  @Binding var text: String
  @Binding var isLocked: Bool
  let lastSeed: UInt64?

  var body: some View {
    VStack(alignment: .leading, spacing: 8) {
      HStack {
        TextField("Seed, or empty for chance", text: $text)
          .textFieldStyle(.roundedBorder)
          .monospacedDigit()
          .autocorrectionDisabled()
          .accessibilityLabel("Seed")
          .accessibilityIdentifier("seed")
        Toggle("Keep the seed", systemImage: isLocked ? "lock" : "lock.open", isOn: $isLocked)
          .toggleStyle(.button)
          .labelStyle(.iconOnly)
          .accessibilityIdentifier("seed.lock")
        Button("Seed by chance", systemImage: "dice") {
          text = String(UInt64.random(in: 0...UInt64.max))
        }
        .labelStyle(.iconOnly)
        .accessibilityIdentifier("seed.random")
      }
      if let lastSeed {
        HStack {
          Text("The last seed was \(String(lastSeed)).")
            .font(.footnote)
            .foregroundStyle(.secondary)
            .textSelection(.enabled)
          Button("Use it again") { text = String(lastSeed) }.font(.footnote)
          CopyButton(text: String(lastSeed), label: "Copy the seed").labelStyle(.iconOnly)
        }
      }
    }
  }
}
