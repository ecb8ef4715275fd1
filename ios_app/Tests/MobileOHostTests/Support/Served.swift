import Foundation
import MobileO
import MobileOHost
import Testing

/// `mobileo-export serve` on the miniature's bundle, for the time of a suite.
struct Served: SuiteTrait, TestScoping {
  /// Where it listens.
  @TaskLocal static var address: HostAddress?
  /// Which of the damaged bundles is served; nil for the healthy one.
  private let damage: String?

  init(_ damage: String? = nil) { self.damage = damage }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
  ) async throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Found.export))
    let bundle = damage == nil ? Found.bundle : damage.flatMap(Found.damaged)
    process.arguments = ["serve", try #require(bundle), "--json"]
    let output = Pipe()
    process.standardOutput = output
    // Threads that run tests hold signals back, and a child would inherit that.
    var none = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, nil)
    try process.run()
    defer {
      process.interrupt()
      process.waitUntilExit()
    }
    let line = output.fileHandleForReading.availableData
    try #require(!line.isEmpty, "mobileo-export serve did not start; its errors stand above")
    let said = try JSONReader.document([UInt8](line))
    let address = try HostAddress(
      try #require(said["address"]?.string), token: try #require(said["token"]?.string))
    try await Self.$address.withValue(address) { try await body() }
  }
}

/// Where the tests find what `make test-swift` wrote.
enum Found {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  private static let environment = ProcessInfo.processInfo.environment
  static let bundle = found("MOBILEO_BUNDLE", "build/swift/bundle", with: "/manifest.json")
  /// What Python made of the bundle, with the photographs.
  static let served = found("MOBILEO_SERVED", "build/swift/served", with: "/cases.json")
  /// Damaged copies of the bundle, and what Python makes of them.
  static let damages = found("MOBILEO_DAMAGES", "build/swift/damages", with: "/verdicts.json")
  /// The Python package's program.
  static let export = found("MOBILEO_EXPORT", ".venv/bin/mobileo-export", with: "")
  /// Ours, beside the tests, where `swift build --build-tests` puts it.
  static let program: String? = {
    let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
    let places = [folder, root + "/.build/release", root + "/.build/debug"]
    return places.map { $0 + "/mobileo" }.first(where: FileManager.default.isExecutableFile)
  }()
  static let everything = bundle != nil && served != nil && export != nil
  static let nothing: Comment =
    "no results of Python here: make test-swift makes them where there is a Python with mobileo_export"

  /// The copy that has the damage called `name`.
  static func damaged(_ name: String) -> String? {
    guard let damages else { return nil }
    let verdicts = (try? Files.json(damages + "/verdicts.json"))?.array ?? []
    let folder = verdicts.first { $0["name"]?.string == name }?["folder"]?.string
    return folder.map { damages + "/" + $0 }
  }

  private static func found(
    _ variable: String, _ standard: String, with marker: String
  ) -> String? {
    let path = environment[variable] ?? root + "/" + standard
    return FileManager.default.fileExists(atPath: path + marker) ? path : nil
  }

  /// A folder whose manifest is that of the corpus of seals: all that the engine reads of a bundle.
  static func manifest(in scratch: Scratch) throws -> Data {
    let corpus = try Files.json(root + "/ios_app/Tests/Corpus/seal.json")
    let text = try #require(corpus["manifest"]).text
    try Files.write(Array(text.utf8), to: scratch.path + "/manifest.json")
    return Data(text.utf8)
  }

  /// What is wrong with a report by the schema that Python has, `results` or `selftest`; kept where
  /// `make test-swift` has Python read it too.
  static func problem(_ report: JSONValue, _ schema: String, keep name: String? = nil) throws
    -> String?
  {
    if let name, let folder = environment["MOBILEO_REPORTS"] {
      try Files.write(Array((report.text + "\n").utf8), to: "\(folder)/\(name).json")
    }
    let path = root + "/mobileo_export/bench/\(schema).schema.json"
    return try SchemaCheck(Files.json(path).text).problem(report, whole: "the report")
  }

  /// The cases of a task.
  static func cases(_ task: String) throws -> [JSONValue] {
    let all = try Files.json(#require(served) + "/cases.json").array ?? []
    return all.filter { $0["task"]?.string == task }
  }
}
