import Foundation
import XCTest

#if canImport(XCUIAutomation)
  import XCUIAutomation
#endif

/// The app, launched in a folder of its own, and what a user does with it.
@MainActor struct Launched {
  private let app: XCUIApplication

  /// Over the trace of the bundle inside the app.
  static func replay() throws -> Launched {
    Launched(arguments: ["--engine", "replay"], environment: [:])
  }

  /// Over the server that the environment names; skipped where it names none.
  static func host() throws -> Launched {
    let environment = ProcessInfo.processInfo.environment
    guard let host = environment["MOBILEO_HOST"], let token = environment["MOBILEO_TOKEN"] else {
      throw XCTSkip("no MOBILEO_HOST and MOBILEO_TOKEN: start mobileo-export serve")
    }
    return Launched(
      arguments: ["--engine", "host", "--host", host], environment: ["MOBILEO_TOKEN": token])
  }

  private init(arguments: [String], environment: [String: String]) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    app = XCUIApplication()
    app.launchArguments = arguments + ["--root", folder.path]
    app.launchEnvironment = environment
    app.launch()
  }

  /// Ends the app, and launches it anew in the same folder.
  func restart() {
    app.terminate()
    app.launch()
  }

  func button(_ id: String) -> XCUIElement { app.buttons[id].firstMatch }

  func element(_ id: String) -> XCUIElement { app.descendants(matching: .any)[id].firstMatch }

  func title(_ words: String) -> XCUIElement { app.staticTexts[words].firstMatch }

  /// Shows a screen.
  func open(_ screen: String) { app.buttons[screen].firstMatch.tap() }

  /// Writes into the composer.
  func write(_ text: String) {
    let field = element("composer.text")
    XCTAssertTrue(field.waitForExistence(timeout: 30))
    field.tap()
    field.typeText(text)
  }

  /// Sends the drawing that was recorded, which the app lays out in replay.
  func drawWhatWasRecorded() {
    XCTAssertTrue(button("send").waitForExistence(timeout: 30))
    button("send").tap()
  }

  /// Draws words with a seed.
  func draw(_ words: String, seed: String) {
    XCTAssertTrue(button("intent.draw").waitForExistence(timeout: 30))
    button("intent.draw").tap()
    element("look").tap()
    element("seed").tap()
    element("seed").typeText(seed)
    write(words)
    button("send").tap()
  }
}
