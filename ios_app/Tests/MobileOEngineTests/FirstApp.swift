// What docs/first-app.md shows, to the letter: the compiler reads it here, tests/docs compares.

import Foundation
import MobileO
import MobileOEngine
import SwiftUI

/// A model that draws and answers on this device.
actor Artist {
  nonisolated let gate = CallGate()
  private let model: MobileO

  /// Reads the bundle. Core ML compiles each package when it is first used; the result stays in `store`.
  init(bundle: URL, store: URL) async throws {
    let engine = try DeviceEngine(bundle: bundle, store: store, gate: gate)
    model = try await MobileO(bundle: bundle, engine: engine)
  }

  /// A PNG of what `text` says, with its seed in it.
  func draw(_ text: String, seed: UInt64 = 0) async throws -> Data {
    for try await event in model.generate(text, seed: seed) {
      guard case .picture(let drawn) = event else { continue }  // steps and previews come before
      let texts = drawn.texts(prompt: text, bundle: model.manifest)
      return Data(PNG.encode(drawn.picture, texts: texts))
    }
    throw CancellationError()
  }

  /// What the model says of a picture of any format.
  func ask(_ photo: Data, _ question: String) async throws -> String {
    try await model.ask(PictureDecoder.system.decode([UInt8](photo)), question).text
  }
}

struct FirstView: View {
  let artist: Artist
  @Environment(\.scenePhase) private var phase
  @State private var said = ""

  var body: some View {
    VStack {
      Text(said)
      Button("Draw") {
        Task {
          do { said = "\(try await artist.draw("a red circle").count) bytes of PNG" } catch {
            said = error.localizedDescription
          }
        }
      }
    }
    // No call begins while the app is not in front: Metal would end it.
    .onChange(of: phase, initial: true) { _, phase in
      artist.gate.scene(isActive: phase == .active)
    }
  }
}
