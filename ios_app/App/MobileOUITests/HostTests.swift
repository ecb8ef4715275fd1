import XCTest

#if canImport(XCUIAutomation)
  import XCUIAutomation
#endif

/// The app over `mobileo-export serve`, which runs the embedded bundle's components on the same Mac:
///
///     TEST_RUNNER_MOBILEO_HOST=127.0.0.1:8017 TEST_RUNNER_MOBILEO_TOKEN=… xcodebuild test …
@MainActor final class HostTests: XCTestCase {
  func testItDrawsStopsAndMakesAgain() throws {
    let app = try Launched.host()
    app.draw("three red circles on a white background", seed: "7")
    XCTAssertTrue(app.element("progress").waitForExistence(timeout: 60))
    app.button("stop").tap()
    XCTAssertTrue(app.button("again").waitForExistence(timeout: 60))
    app.button("again").tap()
    XCTAssertTrue(app.button("stop").waitForExistence(timeout: 30))
  }

  func testItChats() throws {
    let app = try Launched.host()
    app.button("intent.chat").tap()
    app.write("My name is Ada.")
    app.button("send").tap()
    XCTAssertTrue(app.element("answer").waitForExistence(timeout: 120))
  }
}
