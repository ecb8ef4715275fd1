import Foundation
import MobileO
import MobileOApp
import MobileOViews
import SwiftUI

// Over the golden trace of the embedded bundle (`make app-bundle`): deterministic, and without a model.
// A provider and no macro, since the compiler reads this on Linux too, where there is no macro of Xcode's.

/// Each screen as it is with a bundle open.
struct ScreenPreviews: PreviewProvider {
  static var previews: some View {
    ForEach(Desk.Screen.allCases, id: \.self) { screen in PreviewWindow(screen: screen) }
    PreviewWindow(screen: .create).environment(\.dynamicTypeSize, .accessibility3)
  }
}

/// A window of its own app, in a folder that is new each time.
private struct PreviewWindow: View {
  private let app: AppModel
  private let desk = Desk(read: Pictures.read)

  init(screen: Desk.Screen) {
    let launch = Launch(
      arguments: ["--engine", "replay", "--root", NSTemporaryDirectory() + UUID().uuidString],
      environment: [:])
    app = AppModel(
      places: AppPlaces(root: launch.root), embedded: launch.embedded, factory: .replay)
    desk.screen = screen
  }

  var body: some View { RootView(app: app, desk: desk, tools: Shared.tools) }
}
