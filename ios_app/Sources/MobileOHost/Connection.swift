import Foundation
import MobileO

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Requests to `mobileo-export serve`, and what its answers mean.
///
/// Errors are ``MobileOError`` of kind `unreachable` where nothing answers, it hangs up or is too
/// slow; `refused` where it does not want us; otherwise `session`. What the server says of itself is
/// passed on word for word.
final class Connection: Sendable {
  /// For requests that load and compute nothing.
  static let soon = Duration.seconds(30)

  private let address: HostAddress
  private let patience: Duration
  private let network: URLSession

  /// - Parameter patience: How long a component may take for one call, its loading included.
  init(_ address: HostAddress, patience: Duration) {
    let settings = URLSessionConfiguration.ephemeral
    settings.urlCache = nil
    settings.httpCookieStorage = nil
    settings.connectionProxyDictionary = [:]
    // Foundation on Linux heeds this one, 60 seconds by default, and no request's own.
    settings.timeoutIntervalForRequest = 7 * 24 * 3600
    self.address = address
    self.patience = patience
    network = URLSession(configuration: settings, delegate: NoDetours(), delegateQueue: nil)
  }

  deinit { network.finishTasksAndInvalidate() }

  /// Where it leads, for errors.
  var name: String { "\(address.host):\(address.port)" }

  /// Outputs that `path` gives for `inputs`.
  func call(_ path: String, _ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    let answer = try await send(
      "POST", path, body: TensorFile.encode(inputs), type: "application/x-safetensors")
    return try arrays(answer, of: path)
  }

  /// The arrays in the answer to a request to `path`.
  func arrays(_ answer: Data, of path: String) throws -> [String: Tensor] {
    do {
      return try TensorFile.decode(answer)
    } catch let problem as JSONReader.Problem {
      throw MobileOError(
        .session,
        "\(name): what came back of \(path) is no safetensors (\(problem.reason)); use the "
          + "mobileo-export of this package's release")
    }
  }

  /// The body of the answer to a request.
  ///
  /// - Throws: ``MobileOError``, see ``Connection``; `CancellationError` when the task is cancelled.
  func send(
    _ method: String, _ path: String, body: Data? = nil, type: String? = nil,
    within limit: Duration? = nil
  ) async throws -> Data {
    try Task.checkCancellation()
    var request = URLRequest(url: try address.url(path))
    request.httpMethod = method
    request.setValue("Bearer \(address.token)", forHTTPHeaderField: "Authorization")
    request.setValue(type, forHTTPHeaderField: "Content-Type")
    request.httpBody = method == "POST" ? body ?? Data() : nil
    let answer: (Data, URLResponse)?
    do {
      answer = try await self.answer(to: request, within: limit ?? patience)
    } catch {
      if Task.isCancelled { throw CancellationError() }
      throw failure(error, "\(method) \(path)")
    }
    guard let (content, response) = answer else {
      throw MobileOError(
        .unreachable,
        "\(name): no answer to \(method) \(path) within "
          + "\((limit ?? patience).formatted(.units())); is the machine overloaded?")
    }
    let status = (response as? HTTPURLResponse)?.statusCode ?? 0
    if !(200..<300).contains(status) { throw refusal(status, content, "\(method) \(path)") }
    return content
  }

  /// nil when there is none within `limit`.
  private func answer(
    to request: URLRequest, within limit: Duration
  ) async throws -> (Data, URLResponse)? {
    try await withThrowingTaskGroup(of: (Data, URLResponse)?.self) { [network] group in
      group.addTask { try await network.data(for: request) }
      group.addTask {
        try await Task.sleep(for: limit)
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
  }

  private func failure(_ error: any Error, _ request: String) -> MobileOError {
    let code = (error as? URLError)?.code
    let problem: String
    switch code {
    case .cannotConnectToHost, .cannotFindHost, .notConnectedToInternet:
      problem = "nothing answers there; start mobileo-export serve, and give the address it prints"
    default:
      problem = "the connection broke during \(request); look at what mobileo-export serve says"
    }
    return MobileOError(.unreachable, "\(name): \(problem)")
  }

  /// The server's own words, or that it is no server of ours.
  private func refusal(_ status: Int, _ body: Data, _ request: String) -> MobileOError {
    let kind: MobileOError.Kind =
      switch status {
      case 401, 403, 429: .refused
      case 503: .unreachable
      default: .session
      }
    let error = (try? JSONReader.document([UInt8](body)))?["error"]
    guard let message = error?["message"]?.string, !message.isBlank else {
      return MobileOError(
        kind,
        "\(name): answers \(status) to \(request), and not as mobileo-export serve does; is another "
          + "program listening there?")
    }
    return MobileOError(kind, message)
  }
}

/// Follows no redirection: the token is for one address.
private final class NoDetours: NSObject, URLSessionTaskDelegate {
  func urlSession(
    _ session: URLSession, task: URLSessionTask,
    willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
    completionHandler: @escaping @Sendable (URLRequest?) -> Void
  ) {
    completionHandler(nil)
  }
}
