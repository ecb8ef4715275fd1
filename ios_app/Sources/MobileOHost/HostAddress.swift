import Foundation
import MobileO

/// Where `mobileo-export serve` listens, and what it asks for.
public struct HostAddress: Sendable, Equatable {
  /// `127.0.0.1` or `localhost`.
  public let host: String
  /// 1 to 65,535.
  public let port: Int
  /// What the server printed, or was given as MOBILEO_TOKEN.
  public let token: String

  /// The address in `text`: `127.0.0.1:8017`, `http://127.0.0.1:8017`, or the whole line that the
  /// server prints for a browser, with the token behind `#`.
  ///
  /// - Parameters:
  ///   - text: The address.
  ///   - token: Replaces what stands behind `#`.
  /// - Throws: ``MobileOError`` of kind `usage`: it is no such address, is not of this machine, or there
  ///   is no token.
  public init(_ text: String, token: String? = nil) throws {
    func refuse(_ problem: String) -> MobileOError {
      MobileOError(
        .usage,
        "address '\(text)' \(problem); give what mobileo-export serve printed, such as "
          + "127.0.0.1:8017")
    }
    let whole = text.contains("://") ? text : "http://" + text
    guard let parts = URLComponents(string: whole), let host = parts.host, let port = parts.port,
      (1...65_535).contains(port)
    else { throw refuse("has no host and port") }
    guard parts.scheme == "http", parts.user == nil, parts.query == nil,
      ["", "/"].contains(parts.path)
    else { throw refuse("is more than a host and a port") }
    guard ["127.0.0.1", "localhost"].contains(host) else {
      // The token would cross a network in the clear, and the server listens on no other name.
      throw refuse("is another machine's; forward its port to this one (ssh -L)")
    }
    let secret = token ?? parts.fragment ?? ""
    guard !secret.isEmpty, secret.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw MobileOError(
        .usage,
        secret.isEmpty
          ? "no token for \(host):\(port); give the one that mobileo-export serve printed"
          : "the token for \(host):\(port) holds characters that none has; copy it again")
    }
    self.host = host
    self.port = port
    self.token = secret
  }

  /// The address of a path below it.
  func url(_ path: String) throws -> URL {
    guard let url = URL(string: "http://\(host):\(port)\(path)") else {
      throw MobileOError(.usage, "\(host):\(port)\(path) is no address; give another")
    }
    return url
  }
}
