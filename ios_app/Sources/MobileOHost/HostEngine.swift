import Foundation
import MobileO

/// Runs the components of a bundle on `mobileo-export serve`: where this machine has no accelerator,
/// as Linux and the Simulator.
///
///     let address = try HostAddress("127.0.0.1:8017", token: token)
///     let engine = try await HostEngine(address, bundle: url)
///     let model = try await MobileO(bundle: url, engine: engine)
///
/// Errors are ``MobileOError``: of kind `unreachable` when the server is not there, hangs up or is too
/// slow, `refused` when it does not know the token or has no room, `session` with what it said.
public actor HostEngine: Engine {
  private let connection: Connection
  private let keeps: Bool
  private var sessions: [Weak] = []
  private var used: Set<String> = []
  private var runtimes: JSONValue?

  /// Finds the server, and makes sure that it serves the bundle in the folder `bundle`.
  ///
  /// - Parameters:
  ///   - address: Of the server.
  ///   - bundle: A folder made by mobileo-export: the server's, or a copy.
  ///   - keepsComponents: Leave components loaded on the server until ``close()``, for many short runs;
  ///     otherwise each is released behind its use, and one at a time is in memory.
  ///   - patience: The longest that one call of a component may take, its loading included.
  /// - Throws: ``MobileOError``; of kind `bundle` when `bundle` cannot be read or another one is served.
  public init(
    _ address: HostAddress, bundle: URL, keepsComponents: Bool = false,
    patience: Duration = .seconds(600)
  ) async throws {
    let manifest = try Manifest(folder: bundle.path)
    connection = Connection(address, patience: patience)
    keeps = keepsComponents
    let served = try await connection.send(
      "GET", "/manifest", within: min(patience, Connection.soon))
    let identity = SHA256Digest.of([UInt8](served))
    if identity != manifest.identity {
      throw MobileOError(
        .bundle,
        "\(connection.name): serves another bundle (manifest \(identity.prefix(12))…) than "
          + "\(bundle.path) (\(manifest.identity.prefix(12))…); name the one that is served")
    }
  }

  /// A session that runs a component on the server, which loads it at the first call.
  public func session(_ component: String) -> any Session { opened(component) }

  /// A session that runs the language model on the server.
  public func languageModel() -> any LanguageModelSession { opened("llm") }

  /// The runtime that the server chose for a component.
  public func runtime(of component: String) async throws -> ComponentRuntime {
    if runtimes == nil {
      let answer = try await connection.send("GET", "/components", within: Connection.soon)
      runtimes = try? JSONReader.document([UInt8](answer))
    }
    guard let name = runtimes?[component]?["runtime"]?.string,
      let exact = runtimes?[component]?["exact"]?.bool
    else {
      throw MobileOError(
        .session,
        "\(connection.name): does not say what executes \(component); use the mobileo-export of this "
          + "package's release")
    }
    return ComponentRuntime(name, exact ? .host : .device)
  }

  private func opened(_ component: String) -> HostSession {
    let session = HostSession(connection, component, keeps: keeps)
    sessions = sessions.filter { $0.session != nil } + [Weak(session: session)]
    used.insert(component)
    return session
  }

  /// The picture in a file of any format that mobileo-export reads: upright, in sRGB, what is
  /// transparent on black.
  ///
  /// - Throws: ``MobileOError``; of kind `usage`, with the server's reason, when it cannot be read.
  public func decode(picture bytes: [UInt8]) async throws -> Picture {
    let answer: Data
    do {
      answer = try await connection.send(
        "POST", "/images", body: Data(bytes), type: "application/octet-stream")
    } catch let error as MobileOError where error.kind == .session {
      throw MobileOError(.usage, error.message)
    }
    let pixels = try output("pixels", of: connection.arrays(answer, of: "/images"), "/images")
    guard case .uint8(let rgb) = pixels.values, pixels.shape.count == 3, pixels.shape[2] == 3 else {
      throw MobileOError(
        .session,
        "\(connection.name): /images gave \(pixels.summary), expected uint8 [H, W, 3]; use the "
          + "mobileo-export of this package's release")
    }
    return try Picture(width: pixels.shape[1], height: pixels.shape[0], rgb: rgb)
  }

  /// Has the server release a component; the next call loads it anew.
  public func release(_ component: String) async {
    await connection.release("/components/\(component)")
  }

  /// Closes the sessions that are open, of cancelled work too, and releases what was loaded.
  public func close() async {
    for weak in sessions { await weak.session?.close() }
    sessions = []
    if keeps {
      for component in used.sorted() { await release(component) }
    }
  }
}

/// A session as long as whoever asked for it holds it.
private struct Weak {
  weak var session: HostSession?
}

extension Connection {
  /// Deletes what is at `path`, also in a cancelled task; what fails then has no consequence here.
  func release(_ path: String) async {
    let deleting = Task { try await send("DELETE", path, within: .seconds(5)) }
    _ = try? await deleting.value
  }
}
