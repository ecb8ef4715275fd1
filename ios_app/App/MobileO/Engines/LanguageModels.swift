import Foundation
import MobileO
import MobileOEngine
import SwiftUI

/// The language model of a bundle.
enum LanguageModels {
  /// Loads that of the bundle in a folder.
  static func maker(bundle: URL) -> DeviceEngine.LanguageModelMaker {
    // To be `MLXLanguageModel.load(folder: bundle, manifest:allowsReducedPrecision:)`.
    { _, _, _ in
      throw MobileOError(
        .usage,
        String(
          localized: "This build has no language model: launch it with --engine host or replay."))
    }
  }
}
