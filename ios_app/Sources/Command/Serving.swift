import Foundation
import MobileO
import MobileOHost

/// What the commands that use a model share: where its components run, and how pictures get in.
enum Serving {
  static let options = [
    Arguments.Option(
      "--host", value: "ADDRESS",
      help: "Where mobileo-export serve listens, as it prints it; MOBILEO_HOST by default."),
    Arguments.Option(
      "--token", value: "TOKEN",
      help: "What it printed behind the #, or was given; MOBILEO_TOKEN by default."),
    Arguments.Option("--json", help: "Print the result as JSON."),
    Arguments.Option("--quiet", "-q", help: "No progress."),
  ]
  static let details = """
    The components run on mobileo-export serve, which has to serve the same bundle; everything else,
    from tokens to pixels, is done here.
    """
  static let elsewhere = [
    "--runtime": "is chosen where the components run: mobileo-export serve BUNDLE --runtime …",
    "--weights": "chooses between the two sets of a checkpoint; a bundle holds one",
    "--offline": "goes with a hub id; a bundle is a folder, nothing is downloaded",
  ]

  /// Runs `body` with a bundle on the server that the options or the environment name; what it opened
  /// there is closed behind it, interrupted or not.
  static func run<Result: Sendable>(
    _ bundle: String, _ arguments: Arguments, keepsComponents: Bool = false,
    _ body: @escaping @Sendable (MobileO, HostEngine) async throws -> Result
  ) async throws -> Result {
    let address = try address(bundle, arguments)
    return try await Signals.cancelling {
      let url = URL(fileURLWithPath: bundle)
      let engine = try await HostEngine(address, bundle: url, keepsComponents: keepsComponents)
      do {
        let model = try await MobileO(bundle: url, engine: engine)
        let result = try await body(model, engine)
        await engine.close()
        return result
      } catch {
        await engine.close()
        throw error
      }
    }
  }

  /// Whether the options or the environment name a server.
  static func isNamed(_ arguments: Arguments) -> Bool {
    arguments.has("--host") || ProcessInfo.processInfo.environment["MOBILEO_HOST"] != nil
  }

  /// This machine, for reports.
  static var machine: JSONObject {
    let process = ProcessInfo.processInfo
    return JSONObject([
      ("system", .string(process.operatingSystemVersionString)),
      ("cores", .integer(process.activeProcessorCount)),
      ("memory", .integer(Int(clamping: process.physicalMemory))),
    ])
  }

  private static func address(_ bundle: String, _ arguments: Arguments) throws -> HostAddress {
    let environment = ProcessInfo.processInfo.environment
    guard let host = arguments.value("--host") ?? environment["MOBILEO_HOST"] else {
      throw MobileOError(
        .usage,
        "nothing here runs components; start mobileo-export serve \(bundle), and give --host what it "
          + "prints")
    }
    let remembered = host.contains("#") ? nil : environment["MOBILEO_TOKEN"]
    return try HostAddress(host, token: arguments.value("--token") ?? remembered)
  }

  /// The picture at `path`: PNG is read here, other formats by the server.
  static func picture(_ path: String, _ engine: HostEngine) async throws -> Picture {
    do {
      let bytes = try Files.read(path, limit: 1 << 30)
      if PNG.isReadable(bytes) { return try PNG.decode(bytes) }
      return try await engine.decode(picture: bytes)
    } catch let problem as JSONReader.Problem {
      throw MobileOError(.usage, "\(path): \(problem.reason); name a picture")
    } catch let error as MobileOError where error.kind == .usage {
      throw MobileOError(.usage, "\(path): \(error.message)")
    }
  }

  /// Says that the user's text did not fit.
  static func warn(_ what: String, cut: Int, of place: String = "end") {
    if cut > 0 {
      Output.warning(
        "\(what) is too long for this model: \(cut) tokens of its \(place) left out")
    }
  }

  /// Seconds since `start`, to the millisecond.
  static func seconds(since start: ContinuousClock.Instant) -> Double {
    let passed = start.duration(to: .now) / .milliseconds(1)
    return passed.rounded() / 1000
  }
}

/// Where commands write: known to be possible before the work, and never inside a sealed bundle.
enum Places {
  /// Fails when no file that ends in `suffix` could be written to `path`.
  static func check(_ path: String, _ suffix: String) throws {
    func refuse(_ problem: String) -> MobileOError { MobileOError(.usage, problem) }
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent()
    if url.pathExtension.lowercased() != suffix {
      throw refuse("\(path): name a .\(suffix) file")
    }
    if Files.target(url.path) == .folder {
      throw refuse("\(path): is a folder; name a .\(suffix) file")
    }
    switch Files.target(folder.path) {
    case .folder: break
    case .missing: throw refuse("\(folder.path): no such folder; create it first")
    default:
      throw refuse("\(folder.path): is a file, no other fits below it; choose another")
    }
    var place = folder.resolvingSymlinksInPath()
    while true {
      if (try? Files.json(place.appendingPathComponent(Manifest.fileName).path))?["format"]
        == .string(Manifest.format)
      {
        throw refuse(
          "\(path): lies inside the bundle \(place.path), whose seal another file would break; choose "
            + "a place outside it")
      }
      if place.path == "/" || place.path.isEmpty { break }
      place = place.deletingLastPathComponent()
    }
    if !FileManager.default.isWritableFile(atPath: folder.path) {
      throw refuse("\(folder.path): cannot be written; choose another place")
    }
  }
}
