// Stand-in for AppKit on Linux: signatures only, of what is used.
@_exported import FoundationMembers
@_exported import UIKit

/// developer.apple.com/documentation/appkit/nsview
@MainActor @preconcurrency open class NSView: NSObject {
  public init(frame frameRect: NSRect) { standIn() }
  public required init?(coder: NSCoder) { standIn() }
  open var layer: CALayer? {
    get { standIn() }
    set { standIn() }
  }
  open var wantsLayer: Bool {
    get { standIn() }
    set { standIn() }
  }
}
