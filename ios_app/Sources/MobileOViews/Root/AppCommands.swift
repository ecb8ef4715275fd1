import MobileOApp
import SwiftUI

/// The menus and keys of iPad and Mac.
public struct AppCommands: Commands {
  @FocusedValue(Desk.self) private var desk
  @FocusedValue(AppModel.self) private var app

  /// For the window in front.
  public init() {}

  /// File, Model and Screens.
  public var body: some Commands {
    CommandGroup(replacing: .newItem) {
      Button("New conversation") {
        if let studio = app?.studio, let library = app?.library { desk?.begin(studio, library) }
      }
      .keyboardShortcut("n")
      .disabled(app?.studio == nil || app?.library == nil)
    }
    CommandMenu("Model") {
      ForEach(Intent.allCases, id: \.self) { intent in
        Button(intent.title) {
          desk?.screen = .create
          desk?.talk?.composer.intent = intent
        }
        .keyboardShortcut(intent.key, modifiers: [.command, .option])
        .disabled(desk?.talk == nil)
      }
      Divider()
      Button("Stop what is being made") { desk?.talk?.stop() }
        .keyboardShortcut(".", modifiers: [.command, .shift])
        .disabled(desk?.talk?.running == nil)
    }
    CommandMenu("Screens") {
      ForEach(Desk.Screen.allCases, id: \.self) { screen in
        Button(screen.title) { desk?.screen = screen }
          .keyboardShortcut(screen.key)
          .disabled(desk == nil)
      }
    }
  }
}

extension Intent {
  fileprivate var key: KeyEquivalent {
    switch self {
    case .chat: "c"
    case .draw: "d"
    case .ask: "a"
    case .edit: "e"
    }
  }
}

extension Desk.Screen {
  fileprivate var key: KeyEquivalent {
    switch self {
    case .create: "1"
    case .library: "2"
    case .camera: "3"
    case .checks: "4"
    case .settings: "5"
    }
  }

  var title: LocalizedStringKey {
    switch self {
    case .create: "Create"
    case .library: "Library"
    case .camera: "Camera"
    case .checks: "Checks"
    case .settings: "Settings"
    }
  }
}
