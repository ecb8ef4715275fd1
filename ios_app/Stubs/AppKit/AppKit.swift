// Stand-in for AppKit on Linux: signatures only, of what is used.
@_exported import FoundationMembers
@_exported import UIKit

/// developer.apple.com/documentation/appkit/nsview
@MainActor @preconcurrency open class NSView: NSObject {
  /// developer.apple.com/documentation/appkit/nsview/init(frame:)
  public init(frame frameRect: NSRect) { standIn() }
  /// developer.apple.com/documentation/appkit/nsview/init(coder:)
  public required init?(coder: NSCoder) { standIn() }
  /// developer.apple.com/documentation/appkit/nsview/layer
  open var layer: CALayer? {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/appkit/nsview/wantslayer
  open var wantsLayer: Bool {
    get { standIn() }
    set { standIn() }
  }
}
