// Stand-in for XCUIAutomation on Linux: signatures only, of what is used.
import Foundation

/// developer.apple.com/documentation/xcuiautomation/xcuielement
@MainActor open class XCUIElement: NSObject {
  open var firstMatch: XCUIElement { fatalError("a stand-in") }
  open var exists: Bool { fatalError("a stand-in") }
  open var isEnabled: Bool { fatalError("a stand-in") }
  open var isSelected: Bool { fatalError("a stand-in") }
  open var label: String { fatalError("a stand-in") }
  open var value: Any? { fatalError("a stand-in") }
  open var buttons: XCUIElementQuery { fatalError("a stand-in") }
  open var textFields: XCUIElementQuery { fatalError("a stand-in") }
  open var textViews: XCUIElementQuery { fatalError("a stand-in") }
  open var images: XCUIElementQuery { fatalError("a stand-in") }
  open var switches: XCUIElementQuery { fatalError("a stand-in") }
  open var staticTexts: XCUIElementQuery { fatalError("a stand-in") }
  open func descendants(matching type: ElementType) -> XCUIElementQuery {
    fatalError("a stand-in")
  }
  open func tap() { fatalError("a stand-in") }
  open func typeText(_ text: String) { fatalError("a stand-in") }
  open func waitForExistence(timeout: TimeInterval) -> Bool { fatalError("a stand-in") }

  /// developer.apple.com/documentation/xcuiautomation/xcuielement/elementtype
  public enum ElementType: UInt, Sendable { case any = 0 }
}

/// developer.apple.com/documentation/xcuiautomation/xcuielementquery
@MainActor open class XCUIElementQuery: NSObject {
  open var count: Int { fatalError("a stand-in") }
  open var firstMatch: XCUIElement { fatalError("a stand-in") }
  open subscript(key: String) -> XCUIElement { fatalError("a stand-in") }
}

/// developer.apple.com/documentation/xcuiautomation/xcuiapplication
@MainActor open class XCUIApplication: XCUIElement {
  public override init() { fatalError("a stand-in") }
  open var launchArguments: [String] {
    get { fatalError("a stand-in") }
    set { fatalError("a stand-in") }
  }
  open var launchEnvironment: [String: String] {
    get { fatalError("a stand-in") }
    set { fatalError("a stand-in") }
  }
  open func launch() { fatalError("a stand-in") }
  open func terminate() { fatalError("a stand-in") }
}
