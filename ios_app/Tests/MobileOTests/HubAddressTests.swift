import Foundation
import MobileO
import Testing

@Suite struct HubAddressTests {
  @Test(arguments: [
    ("a/b", nil, "https://huggingface.co/a/b/resolve/main"),
    (
      "Some-body/Mobile_O.0.5B", "v1.0",
      "https://huggingface.co/Some-body/Mobile_O.0.5B/resolve/v1.0"
    ),
    ("a/b@v1", nil, "https://huggingface.co/a/b/resolve/v1"),
    ("a/b@v1", "v1", "https://huggingface.co/a/b/resolve/v1"),
    ("a/b", "refs/pr/1", "https://huggingface.co/a/b/resolve/refs%2Fpr%2F1"),
  ])
  func anIdIsAnAddress(hub: String, revision: String?, expected: String) throws {
    #expect(try Download.address(hub: hub, revision: revision).absoluteString == expected)
  }

  @Test func anotherServer() throws {
    let url = try Download.address(hub: "a/b", server: "http://127.0.0.1:8017")
    #expect(url.absoluteString == "http://127.0.0.1:8017/a/b/resolve/main")
  }

  @Test(arguments: [
    "", "a", "a/b/c", "/a/b", "a/", "a/b/", "../b", "a/..", ".a/b", "a b/c", "a/b?x", "a/b#x",
    "a/b%2F",
    "https://x.example/a", "a\\b/c", "ä/b", "a/b\n", "a/" + String(repeating: "b", count: 97),
    "a@b/c",
    "a/b@", "a/b@..", "a/b@x/../../y", "a/b@x y", "a/b@/x", "a/b@x?y", "a/b@x\u{0}", "a/b@v1@v2",
  ])
  func hostileOnesAreRefused(hub: String) {
    #expect(failure { try Download.address(hub: hub) }?.kind == .usage)
  }

  @Test func twoRevisionsAreRefused() {
    #expect(
      failure { try Download.address(hub: "a/b@v1", revision: "v2") }?.description
        .contains("another revision than v2") == true)
  }
}
