import AppIntents

/// What Shortcuts, Siri and Spotlight offer without any setting up.
struct Shortcuts: AppShortcutsProvider {
  static var appShortcuts: [AppShortcut] {
    AppShortcut(
      intent: DrawIntent(), phrases: ["Draw with \(.applicationName)"],
      shortTitle: "Draw a picture", systemImageName: "paintbrush")
    AppShortcut(
      intent: AskIntent(), phrases: ["Ask \(.applicationName) about a picture"],
      shortTitle: "Ask about a picture", systemImageName: "questionmark.bubble")
    AppShortcut(
      intent: EditIntent(), phrases: ["Edit a picture with \(.applicationName)"],
      shortTitle: "Edit a picture", systemImageName: "wand.and.stars")
    AppShortcut(
      intent: ChatIntent(), phrases: ["Chat with \(.applicationName)"],
      shortTitle: "Chat", systemImageName: "bubble.left.and.bubble.right")
  }
}
