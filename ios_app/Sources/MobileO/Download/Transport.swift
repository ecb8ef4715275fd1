import Foundation

/// A request for a file, or for a part of it.
public struct DownloadRequest: Sendable, Equatable {
  /// Where it is.
  public let url: URL
  /// Bytes of the file that are wanted; nil asks for all of it.
  public let range: Range<Int>?
  /// The entity tag of what is there already: if the file has another now, the server sends all of it.
  public let validator: String?

  /// All of the file at `url`, or its bytes in `range`.
  public init(url: URL, range: Range<Int>? = nil, validator: String? = nil) {
    (self.url, self.range, self.validator) = (url, range, validator)
  }

  /// What a transport sends beside the address. Compressed answers are not wanted: sizes are compared.
  public var headers: [String: String] {
    var headers = ["Accept-Encoding": "identity", "Cache-Control": "no-transform"]
    if let range {
      headers["Range"] = "bytes=\(range.lowerBound)-\(range.upperBound - 1)"
      headers["If-Range"] = validator
    }
    return headers
  }
}

/// What a server answers: the head, and the body as it comes.
public struct DownloadResponse: Sendable {
  /// Of HTTP.
  public let status: Int
  /// Names in lower case.
  public let headers: [String: String]
  /// Ends with an error where the connection breaks.
  public let body: AsyncThrowingStream<Data, any Error>

  /// An answer whose header names may be in any case.
  public init(
    status: Int, headers: [String: String], body: AsyncThrowingStream<Data, any Error>
  ) {
    self.status = status
    self.headers = Dictionary(
      headers.map { ($0.key.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
    self.body = body
  }
}

/// Carries requests to a server: a `URLSession`, in the foreground or in the background.
///
/// It knows nothing of bundles, and does not try twice: ``Download`` decides what an answer is worth.
public protocol Transport: Sendable {
  /// Sends a request, and comes back with the head of the answer.
  ///
  /// Follows a few redirections and then gives the redirection itself. A task that is cancelled ends the
  /// transfer, before the head and behind it.
  func send(_ request: DownloadRequest) async throws -> DownloadResponse
}
