import XCTest

#if canImport(XCUIAutomation)
  import XCUIAutomation
#endif

/// The app over the golden trace of the bundle inside it: no model runs, every input is checked.
///
/// `make app-bundle` is to be run before the app is built.
@MainActor final class ReplayTests: XCTestCase {
  /// What the trace recorded of a drawing: words and seed. A test on Linux holds it to the Python
  /// package's own.
  static let words = "a red fox in the snow, digital art"
  static let seed = "7"

  func testItOpensWithNoDownload() throws {
    let app = try Launched.replay()
    XCTAssertTrue(app.textField("composer.text").waitForExistence(timeout: 30))
  }

  func testItDrawsWhatWasRecordedAndShowsTheSteps() throws {
    let app = try Launched.replay()
    try app.draw(Self.words, seed: Self.seed)
    XCTAssertTrue(app.element("picture").waitForExistence(timeout: 60))
    XCTAssertTrue(app.button("again").exists)
  }

  func testWhatWasNotRecordedIsAnErrorThatSaysSo() throws {
    let app = try Launched.replay()
    try app.draw("something else", seed: "1")
    XCTAssertTrue(app.element("problem").waitForExistence(timeout: 30))
  }

  func testAConversationIsThereAfterARestart() throws {
    let app = try Launched.replay()
    try app.draw(Self.words, seed: Self.seed)
    XCTAssertTrue(app.element("picture").waitForExistence(timeout: 60))
    app.restart()
    app.open("Library")
    XCTAssertTrue(app.button("conversation").waitForExistence(timeout: 30))
  }

  func testAnIntentIsChosenAndNeverGuessed() throws {
    let app = try Launched.replay()
    app.button("intent.chat").tap()
    app.write("Draw a red circle")
    XCTAssertTrue(app.button("intent.chat").isSelected)
    XCTAssertFalse(app.button("intent.draw").isSelected)
  }

  func testWhatCannotBeSentSaysWhy() throws {
    let app = try Launched.replay()
    app.button("intent.ask").tap()
    app.write("What is this?")
    XCTAssertFalse(app.button("send").isEnabled)
  }

  func testEveryScreenOpens() throws {
    let app = try Launched.replay()
    for screen in ["Library", "Camera", "Checks", "Settings", "Create"] {
      app.open(screen)
      XCTAssertTrue(app.title(screen).waitForExistence(timeout: 10), screen)
    }
  }
}
