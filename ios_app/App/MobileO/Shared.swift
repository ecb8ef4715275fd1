import Foundation
import MobileO
import MobileOApp
import MobileOEngine
import MobileOViews
import SwiftUI

/// What windows and shortcuts have in common: one model of the app, one desk.
@MainActor enum Shared {
  /// How the app was launched.
  static let launch = Launch(
    arguments: ProcessInfo.processInfo.arguments, environment: ProcessInfo.processInfo.environment)
  /// Closed when the scene leaves; engines ask it too.
  static let gate = CallGate()
  /// The model of the app.
  static let app = AppModel(
    places: AppPlaces(root: launch.root), embedded: launch.embedded,
    factory: launch.factory(gate: gate, compiled: AppPlaces(root: launch.root).compiled),
    device: Device.current, gate: gate)
  /// What is on the screen.
  static let desk = Desk(read: Pictures.read)
  /// What the screens need of the platform.
  static let tools = Tools(
    camera: CameraFeed.source, speaker: Voice.speaker)

  /// Bundles can be had again, and are large: they are not backed up.
  static func keepOutOfBackup() {
    var bundles = AppPlaces(root: launch.root).bundles
    var values = URLResourceValues()
    values.isExcludedFromBackup = true
    do {
      try FileManager.default.createDirectory(at: bundles, withIntermediateDirectories: true)
      try bundles.setResourceValues(values)
    } catch {
      desk.notice = error.localizedDescription
    }
  }

  /// Tells the download by what the device reaches the network.
  static func followNetwork() async {
    for await network in NetworkWatch.changes() { app.download.networkChanged(to: network) }
  }

  /// Tells the app when memory runs low.
  static func followMemory() async {
    for await _ in DeviceSystem.current.memoryWarnings() { await app.memoryWarning() }
  }

  /// Lays out what the golden trace of the embedded bundle recorded of a drawing, where it is what runs.
  static func layOutRecorded() async {
    guard launch.runner == .replay, let bundle = launch.embedded?.path,
      let trace = try? GoldenTrace(folder: bundle, manifest: Manifest(folder: bundle)),
      let drawing = trace.drawing(of: "generate")
    else { return }
    let errand = Desk.Errand(
      .draw, text: trace.text(of: "generate"),
      look: Request.Look(steps: drawing.steps, guidance: drawing.guidance), seed: drawing.seed,
      sends: false)
    await desk.take(errand)
  }

  /// Lays a picture that another app shared on the desk; where there are more, one each time.
  static func takeShared() async {
    let inbox = Inbox.ofGroup {
      FileManager.default.containerURL(forSecurityApplicationGroupIdentifier: $0)
    }
    guard let inbox else { return }
    do {
      if let picture = try inbox.take() {
        await desk.take(Desk.Errand(.ask, picture: Data(picture)))
      }
    } catch {
      desk.notice = error.localizedDescription
    }
  }
}
