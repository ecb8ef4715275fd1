import Foundation
import MobileO
import MobileOApp
import SwiftUI

/// A bundle over the network: where it is, what it takes, the user's consent, and how far it is.
struct DownloadSection: View {
  @Bindable var download: DownloadModel
  @Environment(AppModel.self) private var app

  var body: some View {
    Section {
      TextField("Address, or owner/name on the hub", text: $download.address)
        .autocorrectionDisabled()
        .accessibilityIdentifier("download.address")
        .disabled(download.state.isBusy)
      state
      if download.needsConsent {
        Toggle("Allow the mobile network", isOn: $download.allowsCellular)
      }
    } header: {
      Text("Download")
    } footer: {
      Text("Only this address is asked, and only for the bundle. Every file is checked.")
    }
  }

  @ViewBuilder private var state: some View {
    switch download.state {
    case .idle: look
    case .looking:
      HStack {
        ProgressView()
        Text("Reading what is there")
      }
      Button("Stop", systemImage: "stop.circle") { download.cancel() }
    case .offered(let offer):
      OfferRows(offer: offer)
      begin("Download \(bytes(offer.missing))")
      Button("Not now", role: .cancel) { Task { await download.discard() } }
    case .running(let offer, let progress):
      DownloadRows(offer: offer, progress: progress)
      Button("Pause", systemImage: "pause.circle") { download.pause() }
        .accessibilityIdentifier("download.pause")
    case .stopping(let offer, let progress, _):
      DownloadRows(offer: offer, progress: progress)
      Note("Pausing")
    case .paused(let offer, let progress, let why):
      DownloadRows(offer: offer, progress: progress)
      Note(why.sentence)
      begin("Go on")
      discard
    case .finished(let id):
      Label("It is here, and every file is as it was sealed.", systemImage: "checkmark.seal")
      if app.bundle?.id != id {
        Button("Open it") { Task { await app.use(id) } }
          .buttonStyle(.borderedProminent)
          .accessibilityIdentifier("download.open")
      }
    case .failed(let sentence, let offer):
      ProblemLabel(sentence: sentence)
      if offer == nil { look } else { begin("Try again") }
      if offer != nil { discard }
    }
  }

  private var look: some View {
    Button("Look", systemImage: "magnifyingglass") { Task { await download.look() } }
      .disabled(download.address.isEmpty)
      .accessibilityHint("Reads the size of the bundle and downloads nothing yet")
      .accessibilityIdentifier("download.look")
  }

  @ViewBuilder private func begin(_ title: LocalizedStringKey) -> some View {
    Button(title, systemImage: "arrow.down.circle") { Task { await download.begin() } }
      .disabled(download.obstacle != nil)
      .accessibilityIdentifier("download.begin")
    if let obstacle = download.obstacle { ProblemLabel(sentence: obstacle) }
  }

  private var discard: some View {
    Button("Remove what came", systemImage: "trash", role: .destructive) {
      Task { await download.discard() }
    }
  }
}

extension DownloadState.Pause {
  fileprivate var sentence: LocalizedStringKey {
    switch self {
    case .user: "Paused. What came is kept."
    case .cellular: "Waiting for Wi-Fi. What came is kept."
    case .offline: "There is no network. It goes on when there is one."
    case .ended: "The app was closed. What came is kept."
    }
  }
}

/// What a bundle takes, before anything of it comes.
struct OfferRows: View {
  let offer: DownloadOffer

  var body: some View {
    LabeledContent("Bundle", value: offer.name)
    LabeledContent("Size", value: bytes(offer.size))
    if offer.have > 0 { LabeledContent("Here already", value: bytes(offer.have)) }
    LabeledContent("Free on this device", value: bytes(offer.free))
  }
}

/// How far a download is.
struct DownloadRows: View {
  let offer: DownloadOffer
  let progress: DownloadProgress

  var body: some View {
    VStack(alignment: .leading, spacing: 6) {
      Text(offer.name).font(.headline)
      Bar(done: progress.have, of: progress.size, label: "Progress of the download")
        .accessibilityIdentifier("download.progress")
      Text("\(bytes(progress.have)) of \(bytes(progress.size))").monospacedDigit()
      if progress.isVerifying {
        Note("Checking every file")
      } else if let rate = progress.rate {
        if let left = progress.timeLeft {
          Note("\(bytes(Int(rate))) a second, \(time(left)) left")
        } else {
          Note("\(bytes(Int(rate))) a second")
        }
      }
      if let trouble = progress.trouble { ProblemLabel(sentence: trouble) }
    }
  }
}
