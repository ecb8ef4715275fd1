import XCTest

#if canImport(XCUIAutomation)
  import XCUIAutomation
#endif

/// The app over the golden trace of the bundle inside it: no model runs, every input is checked.
///
/// `make app-bundle` is to be run before the app is built.
@MainActor final class ReplayTests: XCTestCase {
  func testItOpensWithNoDownload() throws {
    let app = try Launched.replay()
    XCTAssertTrue(app.element("composer.text").waitForExistence(timeout: 30))
  }

  func testItDrawsWhatWasRecordedAndShowsTheSteps() throws {
    let app = try Launched.replay()
    app.drawWhatWasRecorded()
    XCTAssertTrue(app.element("picture").waitForExistence(timeout: 60))
    XCTAssertTrue(app.button("again").exists)
  }

  func testWhatWasNotRecordedIsAnErrorThatSaysSo() throws {
    let app = try Launched.replay()
    app.button("intent.draw").tap()
    app.write(" at night")
    app.button("send").tap()
    XCTAssertTrue(app.element("problem").waitForExistence(timeout: 30))
  }

  func testAConversationIsThereAfterARestart() throws {
    let app = try Launched.replay()
    app.drawWhatWasRecorded()
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
