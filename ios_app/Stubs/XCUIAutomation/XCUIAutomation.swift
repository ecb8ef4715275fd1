// Stand-in for XCUIAutomation on Linux: signatures only, of what is used.
import Foundation

/// developer.apple.com/documentation/xcuiautomation/xcuielement
@MainActor open class XCUIElement: NSObject {
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/firstmatch
  open var firstMatch: XCUIElement { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/exists
  open var exists: Bool { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/isenabled
  open var isEnabled: Bool { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/isselected
  open var isSelected: Bool { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/label
  open var label: String { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/value
  open var value: Any? { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/buttons
  open var buttons: XCUIElementQuery { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/textfields
  open var textFields: XCUIElementQuery { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/textviews
  open var textViews: XCUIElementQuery { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/images
  open var images: XCUIElementQuery { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/switches
  open var switches: XCUIElementQuery { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/statictexts
  open var staticTexts: XCUIElementQuery { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/descendants(matching:)
  open func descendants(matching type: ElementType) -> XCUIElementQuery {
    fatalError("a stand-in")
  }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/tap()
  open func tap() { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/typetext(_:)
  open func typeText(_ text: String) { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielement/waitforexistence(timeout:)
  open func waitForExistence(timeout: TimeInterval) -> Bool { fatalError("a stand-in") }

  /// developer.apple.com/documentation/xcuiautomation/xcuielement/elementtype
  public enum ElementType: UInt, Sendable { case any = 0 }
}

/// developer.apple.com/documentation/xcuiautomation/xcuielementquery
@MainActor open class XCUIElementQuery: NSObject {
  /// developer.apple.com/documentation/xcuiautomation/xcuielementquery/count
  open var count: Int { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielementquery/firstmatch
  open var firstMatch: XCUIElement { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuielementquery/subscript(key:)
  open subscript(key: String) -> XCUIElement { fatalError("a stand-in") }
}

/// developer.apple.com/documentation/xcuiautomation/xcuiapplication
@MainActor open class XCUIApplication: XCUIElement {
  /// developer.apple.com/documentation/xcuiautomation/xcuiapplication/init()
  public override init() { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuiapplication/launcharguments
  open var launchArguments: [String] {
    get { fatalError("a stand-in") }
    set { fatalError("a stand-in") }
  }
  /// developer.apple.com/documentation/xcuiautomation/xcuiapplication/launchenvironment
  open var launchEnvironment: [String: String] {
    get { fatalError("a stand-in") }
    set { fatalError("a stand-in") }
  }
  /// developer.apple.com/documentation/xcuiautomation/xcuiapplication/launch()
  open func launch() { fatalError("a stand-in") }
  /// developer.apple.com/documentation/xcuiautomation/xcuiapplication/terminate()
  open func terminate() { fatalError("a stand-in") }
}
