import MobileOApp
import MobileOViews
import SwiftUI

/// The app: one window over the models of `MobileOApp`.
@main struct MobileODemo: App {
  var body: some Scene {
    WindowGroup {
      RootView(app: Shared.app, desk: Shared.desk, tools: Shared.tools)
        .task { Shared.keepOutOfBackup() }
        .task { await Shared.followNetwork() }
        .task { await Shared.followMemory() }
        .task { await Battery.watch() }
        .task { await Shared.layOutRecorded() }
        .modifier(InboxReader())
    }
    .commands { AppCommands() }
  }
}

/// Takes what the share extension put down, whenever the app is in front.
struct InboxReader: ViewModifier {
  @Environment(\.scenePhase) private var phase

  func body(content: Content) -> some View {
    content.onChange(of: phase, initial: true) { _, now in
      if now == .active { Task { await Shared.takeShared() } }
    }
  }
}
