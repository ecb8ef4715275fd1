import Foundation
import MobileO
import SwiftUI

/// The texts and numbers of the open bundle, to be read and copied. They belong to the model.
struct RecipeView: View {
  let recipe: Recipe

  var body: some View {
    Form {
      Section("Drawing") {
        LabeledContent("Steps", value: recipe.sampling.steps.formatted())
        LabeledContent("Guidance", value: number(recipe.sampling.guidance))
        LabeledContent("Flow shift", value: number(recipe.sampling.flowShift))
        LabeledContent("Training timesteps", value: recipe.sampling.trainTimesteps.formatted())
        LabeledContent("Picture side, pixels", value: recipe.imageSize.formatted())
        LabeledContent("Latent") { Text(verbatim: shape(recipe.latent.shape)) }
        LabeledContent("Latent scale", value: number(recipe.latent.scalingFactor))
        LabeledContent("Noise", value: recipe.latent.noise)
        LabeledContent("Hidden states", value: recipe.hiddenStates.formatted())
      }
      Section("Seeing") {
        LabeledContent("Picture side, pixels", value: recipe.preprocessing.imageSize.formatted())
        LabeledContent("Features of a picture", value: recipe.preprocessing.tokens.formatted())
      }
      Section("Answering") {
        LabeledContent("Longest answer, tokens", value: recipe.text.maxNewTokens.formatted())
        LabeledContent("Temperature", value: number(recipe.text.temperature))
        LabeledContent("Probability share", value: number(recipe.text.topP))
      }
      Section("Texts") {
        text("System", recipe.prompts.system)
        text("One turn", recipe.prompts.template)
        text("Before a caption", recipe.prompts.generatePrefix)
        text("Before an instruction", recipe.prompts.editPrefix)
        text("Where there is a picture", recipe.prompts.imagePrefix)
      }
    }
    .formStyle(.grouped)
    .textSelection(.enabled)
    .navigationTitle("Recipe")
  }

  private func shape(_ sizes: [Int]) -> String {
    sizes.map { $0.formatted() }.joined(separator: " × ")
  }

  private func text(_ title: LocalizedStringKey, _ words: String) -> some View {
    VStack(alignment: .leading, spacing: 4) {
      Text(title).font(.footnote).foregroundStyle(.secondary)
      Text(words).font(.footnote.monospaced())
    }
  }
}
