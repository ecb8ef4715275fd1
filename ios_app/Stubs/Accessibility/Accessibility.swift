// Stand-in for Accessibility on Linux: signatures only, of what is used.
import FoundationMembers

/// developer.apple.com/documentation/accessibility/accessibilitynotification
@available(iOS 17, macOS 14, *)
public enum AccessibilityNotification {
  /// developer.apple.com/documentation/accessibility/accessibilitynotification/announcement
  public struct Announcement {
    public init(_ announcement: String) { standIn() }
    public func post() { standIn() }
  }
}
