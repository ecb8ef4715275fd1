import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// A transport over a `URLSession` of its own, which keeps neither cache nor cookies.
public final class URLSessionTransport: Transport {
  /// Of one request.
  public static let mostRedirections = 5
  private let session: URLSession
  private let exchanges = Exchanges()

  /// A session that begins no transfer yet.
  public init() {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.urlCache = nil
    configuration.httpCookieStorage = nil
    configuration.httpShouldSetCookies = false
    // Who downloads looks for stalls itself; this one counts from the start on some systems.
    configuration.timeoutIntervalForRequest = 24 * 3600
    session = URLSession(configuration: configuration, delegate: exchanges, delegateQueue: nil)
  }

  deinit { session.invalidateAndCancel() }

  /// Sends a request, and comes back with the head of the answer.
  public func send(_ request: DownloadRequest) async throws -> DownloadResponse {
    var carried = URLRequest(url: request.url)
    for (name, value) in request.headers { carried.setValue(value, forHTTPHeaderField: name) }
    let task = session.dataTask(with: carried)
    return try await withTaskCancellationHandler {
      try Task.checkCancellation()
      return try await withCheckedThrowingContinuation { continuation in
        exchanges.begin(task, continuation)
        task.resume()
      }
    } onCancel: {
      task.cancel()
    }
  }
}

/// The transfers of a session, by the number of their task.
private final class Exchanges: NSObject, URLSessionDataDelegate, @unchecked Sendable {
  private struct Exchange {
    var head: CheckedContinuation<DownloadResponse, any Error>?
    var body: AsyncThrowingStream<Data, any Error>.Continuation?
    var redirections = 0
  }

  private let lock = NSLock()
  private var exchanges: [Int: Exchange] = [:]

  func begin(_ task: URLSessionTask, _ head: CheckedContinuation<DownloadResponse, any Error>) {
    lock.withLock { exchanges[task.taskIdentifier] = Exchange(head: head) }
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask,
    willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
    completionHandler: @escaping (URLRequest?) -> Void
  ) {
    let count = lock.withLock { () -> Int in
      exchanges[task.taskIdentifier]?.redirections += 1
      return exchanges[task.taskIdentifier]?.redirections ?? .max
    }
    let (old, new) = (task.originalRequest?.url?.scheme, request.url?.scheme)
    let isSafe = new == "https" || (new == "http" && old == "http")
    if count > URLSessionTransport.mostRedirections || !isSafe { return completionHandler(nil) }
    var next = request
    for (name, value) in task.originalRequest?.allHTTPHeaderFields ?? [:] {
      next.setValue(value, forHTTPHeaderField: name)
    }
    completionHandler(next)
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    let (stream, body) = AsyncThrowingStream.makeStream(of: Data.self, throwing: (any Error).self)
    body.onTermination = { if case .cancelled = $0 { dataTask.cancel() } }
    let head = lock.withLock { () -> CheckedContinuation<DownloadResponse, any Error>? in
      let head = exchanges[dataTask.taskIdentifier]?.head
      exchanges[dataTask.taskIdentifier]?.head = nil
      exchanges[dataTask.taskIdentifier]?.body = body
      return head
    }
    let answer = response as? HTTPURLResponse
    let headers = (answer?.allHeaderFields ?? [:]).map { (String(describing: $0.key), $0.value) }
    head?.resume(
      returning: DownloadResponse(
        status: answer?.statusCode ?? 0,
        headers: Dictionary(
          headers.map { ($0.0, String(describing: $0.1)) }, uniquingKeysWith: { first, _ in first }),
        body: stream))
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    _ = lock.withLock { exchanges[dataTask.taskIdentifier]?.body }?.yield(data)
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?
  ) {
    let ended = lock.withLock { exchanges.removeValue(forKey: task.taskIdentifier) }
    let cancelled = (error as? URLError)?.code == .cancelled
    ended?.head?.resume(
      throwing: cancelled ? CancellationError() : error ?? URLError(.badServerResponse))
    ended?.body?.finish(throwing: cancelled ? CancellationError() : error)
  }
}
