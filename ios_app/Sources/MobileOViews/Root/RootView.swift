import MobileO
import MobileOApp
import SwiftUI

/// The whole app in a window: what it shows follows ``AppModel/state``.
public struct RootView: View {
  private let app: AppModel
  private let desk: Desk
  private let tools: Tools
  @Environment(\.scenePhase) private var phase

  /// On a Mac what is made goes on behind other windows; a phone ends an app for that.
  #if os(macOS)
    private static let mayStayBehind = true
  #else
    private static let mayStayBehind = false
  #endif

  /// A window on `app`.
  public init(app: AppModel, desk: Desk, tools: Tools) {
    self.app = app
    self.desk = desk
    self.tools = tools
  }

  /// Banners, and below them the screen.
  public var body: some View {
    VStack(spacing: 8) {
      banners
      screen.frame(maxWidth: .infinity, maxHeight: .infinity)
    }
    .environment(app)
    .environment(desk)
    .environment(tools)
    .focusedSceneValue(desk)
    .focusedSceneValue(app)
    .onChange(of: phase, initial: true) { _, now in
      app.sceneChanged(isActive: now == .active || Self.mayStayBehind)
    }
    .task { await app.open() }
  }

  @ViewBuilder private var banners: some View {
    if let death = app.lastDeath {
      Banner(sentence: death.sentence, systemImage: "memorychip") { app.dismissLastDeath() }
    }
    if !app.notices.isEmpty {
      Banner(
        sentence: app.notices.joined(separator: " "), systemImage: "exclamationmark.triangle"
      ) { app.dismissNotices() }
    }
  }

  @ViewBuilder private var screen: some View {
    switch app.state {
    case .opening: OpeningView()
    case .noBundle: FirstBundleView()
    case .preparing(let preparation): PreparingView(preparation: preparation, isStopping: false)
    case .stopping(let preparation, _): PreparingView(preparation: preparation, isStopping: true)
    case .failed(let failure): FailedView(failure: failure)
    case .ready, .stopped: main
    }
  }

  @ViewBuilder private var main: some View {
    if let studio = app.studio, let library = app.library, let bundle = app.bundle {
      if case .stopped = app.state { UnpreparedBanner() }
      MainView(studio: studio, library: library, bundle: bundle)
    } else if app.library == nil {
      ContentUnavailableView(
        "Nothing can be saved", systemImage: "externaldrive.badge.xmark",
        description: Text("Make room on the device, then open the app again."))
    } else {
      PreparingView(preparation: app.state.preparation ?? Preparation(), isStopping: true)
    }
  }
}

/// The screens of an open bundle: tabs on a phone, a side bar on iPad and Mac.
struct MainView: View {
  let studio: Studio
  let library: Library
  let bundle: InstalledBundle
  @Environment(Desk.self) private var desk

  var body: some View {
    @Bindable var desk = desk
    TabView(selection: $desk.screen) {
      Tab("Create", systemImage: "paintbrush", value: Desk.Screen.create) {
        CreateView(studio: studio, library: library)
      }
      Tab("Library", systemImage: "photo.stack", value: Desk.Screen.library) {
        LibraryView(studio: studio, library: library)
      }
      Tab("Camera", systemImage: "camera", value: Desk.Screen.camera) {
        CameraView(studio: studio)
      }
      Tab("Checks", systemImage: "checkmark.seal", value: Desk.Screen.checks) {
        ChecksView(bundle: bundle)
      }
      Tab("Settings", systemImage: "gear", value: Desk.Screen.settings) {
        SettingsView(studio: studio)
      }
    }
    .tabViewStyle(.sidebarAdaptable)
  }
}
