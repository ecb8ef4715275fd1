import Foundation
import MobileO
import Testing

/// What must not be in the sources, and what must.
@Suite struct SourceTests {
  private static let sources = Goldens.root + "/ios_app/Sources"

  private static func files() throws -> [(String, [String])] {
    try Files.everything(below: sources).filter { $0.hasSuffix(".swift") }.sorted().map { path in
      let text = String(decoding: try Files.read(sources + "/" + path), as: UTF8.self)
      return (path, text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }
  }

  @Test func nothingTrapsOnPurpose() throws {
    let banned = ["fatalError", "preconditionFailure", "precondition(", "try!", "as!", "assert("]
    for (path, lines) in try Self.files() {
      for (number, line) in lines.enumerated() {
        let code = line.components(separatedBy: "//")[0]
        for word in banned where code.contains(word) {
          Issue.record("\(path):\(number + 1): \(word)")
        }
      }
    }
  }

  @Test func onlyFoundationIsImported() throws {
    let allowed: Set = ["import Foundation", "import MobileO", "import CryptoKit"]
    for (path, lines) in try Self.files() {
      for line in lines.map({ $0.trimmingCharacters(in: .whitespaces) })
      where line.hasPrefix("import ") {
        #expect(allowed.contains(line), "\(path): \(line)")
      }
    }
  }

  @Test func filesAreOfReadableLength() throws {
    for (path, lines) in try Self.files() where !lines[0].contains("do not edit") {
      #expect(lines.count <= 330, "\(path) has \(lines.count) lines")
    }
  }
}
