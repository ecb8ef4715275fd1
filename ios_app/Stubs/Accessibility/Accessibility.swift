// Stand-in for Accessibility on Linux: signatures only, of what is used.
import FoundationMembers

/// developer.apple.com/documentation/accessibility/accessibilitynotification
@available(iOS 17, macOS 14, *)
public enum AccessibilityNotification {
  /// developer.apple.com/documentation/accessibility/accessibilitynotification/announcement
  public struct Announcement {
    /// developer.apple.com/documentation/accessibility/accessibilitynotification/announcement/init(_:)
    public init(_ announcement: String) { standIn() }
    /// developer.apple.com/documentation/accessibility/accessibilitynotification/announcement/post()
    public func post() { standIn() }
  }
}
