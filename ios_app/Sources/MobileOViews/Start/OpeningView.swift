import Foundation
import MobileO
import MobileOApp
import SwiftUI

/// While the bundle is read.
struct OpeningView: View {
  var body: some View {
    ProgressView("Opening").accessibilityIdentifier("opening")
  }
}

/// While components are compiled and loaded for the first time, one by one.
struct PreparingView: View {
  let preparation: Preparation
  let isStopping: Bool
  @Environment(AppModel.self) private var app

  var body: some View {
    ScrollView {
      VStack(alignment: .leading, spacing: 16) {
        Text("Preparing the model").font(.title2).accessibilityAddTraits(.isHeader)
        Text(
          """
          The system makes each part fit for this device. That takes minutes once, and again after \
          system updates.
          """
        )
        .foregroundStyle(.secondary)
        Bar(done: preparation.done, of: preparation.count, label: "Parts that are ready")
        if let component = preparation.component {
          HStack {
            ProgressView()
            componentTitle(component).font(.headline)
          }
          if let last = preparation.lastTime {
            Note("Last time it took \(time(last)).")
          } else {
            Note("It is the first time on this device.")
          }
        }
        Button(isStopping ? "Stopping" : "Stop", systemImage: "stop.circle") { app.cancel() }
          .buttonStyle(.bordered)
          .disabled(isStopping)
          .accessibilityIdentifier("preparation.stop")
      }
      .frame(maxWidth: 520, alignment: .leading)
      .padding()
    }
  }
}

/// Over the screens, where the preparation was stopped.
struct UnpreparedBanner: View {
  @Environment(AppModel.self) private var app

  var body: some View {
    ViewThatFits(in: .horizontal) {
      HStack { content }
      VStack(alignment: .leading) { content }
    }
    .padding(.horizontal)
  }

  @ViewBuilder private var content: some View {
    Note("The model is not prepared: what comes first takes longer.")
    Button("Prepare now") { Task { await app.again() } }.buttonStyle(.bordered)
  }
}

/// Where the app cannot begin: why, and what can be done.
struct FailedView: View {
  let failure: StartFailure
  @Environment(AppModel.self) private var app
  @State private var isChoosing = false

  var body: some View {
    ContentUnavailableView {
      Label("The model cannot be opened", systemImage: "exclamationmark.triangle")
    } description: {
      Text(failure.sentence).textSelection(.enabled)
    } actions: {
      ForEach(failure.remedies, id: \.self) { remedy in
        Button(remedy.title) { Task { await take(remedy) } }
          .buttonStyle(.bordered)
          .accessibilityIdentifier("remedy." + remedy.rawValue)
      }
    }
    .sheet(isPresented: $isChoosing) {
      NavigationStack {
        BundlesView()
          .toolbar {
            ToolbarItem(placement: .confirmationAction) { Button("Done") { isChoosing = false } }
          }
      }
    }
  }

  private func take(_ remedy: StartFailure.Remedy) async {
    switch remedy {
    case .again: await app.again()
    case .repair: if let id = app.bundle?.id { await app.repair(id) }
    case .turnOnCoreAI: await app.turnOnCoreAI()
    case .otherBundle: isChoosing = true
    case .resetSettings:
      await app.resetSettings()
      await app.again()
    }
  }
}

extension StartFailure.Remedy {
  var title: LocalizedStringKey {
    switch self {
    case .again: "Try again"
    case .repair: "Repair the bundle"
    case .turnOnCoreAI: "Turn on Core AI"
    case .otherBundle: "Open another bundle"
    case .resetSettings: "Reset the settings"
    }
  }
}
