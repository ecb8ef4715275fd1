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
    for (path, lines) in try Self.files() {
      let code = SwiftCode.bare(lines.joined(separator: "\n")).components(separatedBy: "\n")
      for (number, line) in code.enumerated() {
        if let trap = SwiftCode.trap(line) { Issue.record("\(path):\(number + 1): \(trap)") }
      }
    }
  }

  /// What the check finds, and what it lets pass.
  @Test func everyTrapIsFound() {
    let traps = [
      ("fatalError()", "fatalError"), ("Swift.fatalError()", "fatalError"),
      ("  preconditionFailure(\"x\")", "preconditionFailure"),
      ("precondition(a)", "precondition"), ("precondition (a)", "precondition"),
      ("assert(a > 0)", "assert"), ("assertionFailure()", "assert"), ("abort()", "abort"),
      ("let a = try! b()", "try!"), ("a = b as! C", "as!"), ("a = b as!C", "as!"),
      ("let a = b!", "!"), ("b!.c()", "!"), ("f(a)!", "!"), ("d[\"k\"]!", "!"), ("a{ 1 }!", "!"),
      ("var a: B!", "!"), ("var a: [B]!", "!"), ("var a: B<C>!", "!"), ("a! = 1", "!"),
      ("a!, b", "!"), ("`in`!", "!"), ("é!", "!"), ("\"http://\" + a!", "!"),
      ("let t = \"\\(a!)\"", "!"), ("\"\\(f(\"\\(b!)\"))\"", "!"), ("#\"\\#(a!)\"#", "!"),
      ("\"\"\"\n  \\(a!)\n\"\"\"", "!"), ("/* a /* b */ c */ d!", "!"),
      ("a.unsafelyUnwrapped", "unsafelyUnwrapped"),
      ("unsafeBitCast(a, to: B.self)", "unsafeBitCast"),
      ("#\"a\"b\"# + c!", "!"), ("\"a\\\\\" + c!", "!"),
    ]
    for (code, name) in traps { #expect(SwiftCode.trap(SwiftCode.bare(code)) == name, "\(code)") }
    let fine = [
      "a != b", "!a", "f(!a)", "[!a]", "{ !$0 }", "a ? !b : c", "a !== b", "a!=b", "// b!",
      "/// try! a", "/* b! */", "/* a /* b! */ c! */", "\"wow!\"", "\"a\\\"b!\"",
      "#\"a\"b!\"#", "\"\"\"\n as! \n\"\"\"",
      "\"\\(a)!\"", "#\"\\(a!)\"#", "#if !os(Linux)", "asserted(a)", "let abortion = 1", "a && !b",
      "\"fatalError()\"", "x // fatalError()",
    ]
    for code in fine { #expect(SwiftCode.trap(SwiftCode.bare(code)) == nil, "\(code)") }
  }

  @Test func onlyFoundationIsImported() throws {
    let everywhere: Set = ["Foundation", "MobileO", "CryptoKit"]
    let apart: [(place: String, modules: Set<String>)] = [
      // Foundation's own part for the network, where it is one of its own.
      ("MobileO/Download/URLSessionTransport.swift", ["FoundationNetworking"]),
      ("MobileOHost/", ["FoundationNetworking"]),
      ("Command/", ["MobileOHost"]),
      ("Command/OnDevice.swift", ["MobileOEngine"]),
      ("MobileOApp/", ["Observation"]),
      (
        "MobileOViews/",
        [
          "Accessibility", "AppKit", "CoreGraphics", "MobileOApp", "Observation", "PhotosUI",
          "SwiftUI", "UIKit",
        ]
      ),
      (
        "MobileOEngine/",
        ["CoreGraphics", "CoreML", "Dispatch", "ImageIO", "UniformTypeIdentifiers", "os"]
      ),
      ("MobileOEngine/CoreAI/", ["CoreAI"]),
      ("MobileOEngine/MLX/", ["MLX", "MLXNN"]),
    ]
    for (path, lines) in try Self.files() {
      for line in lines.map({ $0.trimmingCharacters(in: .whitespaces) })
      where line.hasPrefix("import ") {
        let module = String(line.dropFirst("import ".count))
        let here = apart.contains { path.hasPrefix($0.place) && $0.modules.contains(module) }
        #expect(everywhere.contains(module) || here, "\(path): \(line)")
      }
    }
  }

  @Test func filesAreOfReadableLength() throws {
    for (path, lines) in try Self.files() where !lines[0].contains("do not edit") {
      #expect(lines.count <= 330, "\(path) has \(lines.count) lines")
    }
  }
}
