import Foundation
import MobileO
import Testing

/// Values that ios_app/Tests/Python/sweep.py wrote: the committed few, and many where
/// `make test-swift` found a Python with mobileo_export.
struct Goldens: Sendable, CustomTestStringConvertible {
  let folder: String

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let small = Goldens(folder: root + "/ios_app/Tests/MobileOTests/Vectors")
  static let sweep = found("MOBILEO_SWEEP", "build/swift/sweep", marker: "complete")
    .map { Goldens(folder: $0) }
  static let noSweep: Comment =
    "no sweep here: make test-swift writes one where there is a Python with mobileo_export"
  /// All sets that are here.
  static let all = [small] + (sweep.map { [$0] } ?? [])

  /// A recorded bundle of the miniature.
  static let bundle = found("MOBILEO_BUNDLE", "build/swift/bundle", marker: "golden/index.json")
  /// What Python's pipelines make of a toy.
  static let toy: String? = {
    let path = ProcessInfo.processInfo.environment["MOBILEO_TOY"] ?? root + "/build/swift/toy.json"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()
  static let noBundle: Comment =
    "no recorded bundle here: make test-swift makes one where there is a Python with mobileo_export"

  private static func found(_ variable: String, _ standard: String, marker: String) -> String? {
    let folder = ProcessInfo.processInfo.environment[variable] ?? root + "/" + standard
    return FileManager.default.fileExists(atPath: folder + "/" + marker) ? folder : nil
  }

  /// Whether these are the many: a test then counts them.
  var isSweep: Bool { folder != Self.small.folder }

  var testDescription: String { isSweep ? "sweep" : "committed" }

  func bytes(_ name: String) throws -> [UInt8] {
    try Files.read(folder + "/" + name, limit: 1 << 32)
  }

  func json(_ name: String) throws -> JSONValue { try JSONReader.document(bytes(name)) }

  /// The lines of a file, each a JSON document.
  func eachLine(_ name: String, _ body: (JSONValue) throws -> Void) throws -> Int {
    let lines = try bytes(name).split(separator: 10)
    for line in lines { try body(JSONReader.document(Array(line))) }
    return lines.count
  }

  /// How many there were, in the log of the tests.
  func report(_ count: Int, _ what: String) { print("\(testDescription): \(count) \(what)") }
}

extension JSONValue {
  var floats: [Float] { (array ?? []).map { $0.double.map { Float($0) } ?? .nan } }
  var doubles: [Double] { (array ?? []).map { $0.double ?? .nan } }
  var integers: [Int] { (array ?? []).map { $0.integer ?? -1 } }

  /// A number, or `inf`, `-inf`, `nan` as text.
  var figure: Double { double ?? string.flatMap { Double($0) } ?? .nan }
}

/// A folder that is gone when the test is.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/mobileo-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The error that `body` throws, which has to be ours.
func failure<Result>(_ body: () throws -> Result) -> MobileOError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? MobileOError
  }
}
