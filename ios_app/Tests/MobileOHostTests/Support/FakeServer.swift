import Foundation

/// A server on loopback that answers as a test wants it to, also in ways that no server should; it
/// listens until it is stopped, or the tests are over.
final class FakeServer: Sendable {
  struct Request: Sendable {
    let line: String
    let headers: [String: String]
    let body: Data
  }

  enum Reply: Sendable {
    case answer(Int, Data)
    /// A header that claims more than what follows.
    case cut(Data)
    case hangUp
    case silence
    case redirect(String)

    static func text(_ status: Int, _ text: String) -> Reply { .answer(status, Data(text.utf8)) }

    /// An error as `mobileo-export serve` gives it.
    static func error(_ status: Int, _ message: String) -> Reply {
      text(status, #"{"error": {"kind": "k", "message": "\#(message)"}}"#)
    }
  }

  let port: Int
  private let listener: Int32
  private let log = Log()

  /// What was asked for so far, `POST /x`.
  var requests: [String] { log.all }

  init(_ reply: @escaping @Sendable (Request) -> Reply) throws {
    signal(SIGPIPE, SIG_IGN)  // a client that left is no reason to end
    #if canImport(Glibc)
      listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      listener = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let socket = listener
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 && listen(socket, 16) == 0
          && getsockname(socket, $0, &length) == 0
      }
    }
    guard bound else { throw POSIXError(.EADDRINUSE) }
    port = Int(UInt16(bigEndian: address.sin_port))
    let log = log
    Thread.detachNewThread {
      while true {
        let client = accept(socket, nil, nil)
        if client < 0 { break }
        Thread.detachNewThread { Self.serve(client, log, reply) }
      }
      close(socket)
    }
  }

  /// Listens no more.
  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private static func serve(
    _ client: Int32, _ log: Log, _ reply: (Request) -> Reply
  ) {
    defer { close(client) }
    guard let request = read(client) else { return }
    log.add(request.line)
    switch reply(request) {
    case .answer(let status, let body): send(client, status, body, claimed: body.count)
    case .cut(let body): send(client, 200, body, claimed: body.count + 1000)
    case .hangUp: break
    case .silence:
      var byte: UInt8 = 0
      _ = recv(client, &byte, 1, 0)  // until the other side has had enough
    case .redirect(let place): send(client, 307, Data(), claimed: 0, "Location: \(place)\r\n")
    }
  }

  private static func send(
    _ client: Int32, _ status: Int, _ body: Data, claimed: Int, _ more: String = ""
  ) {
    let head =
      "HTTP/1.1 \(status) X\r\nContent-Length: \(claimed)\r\n\(more)Connection: close\r\n\r\n"
    let bytes = [UInt8](head.utf8) + body
    var sent = 0
    while sent < bytes.count {
      let count = Foundation.send(client, Array(bytes[sent...]), bytes.count - sent, 0)
      if count <= 0 { return }
      sent += count
    }
  }

  private static func read(_ client: Int32) -> Request? {
    var data = Data()
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let end = Data("\r\n\r\n".utf8)
    func more() -> Bool {
      let count = recv(client, &buffer, buffer.count, 0)
      if count > 0 { data += buffer[..<count] }
      return count > 0
    }
    while data.range(of: end) == nil { if !more() { return nil } }
    guard let head = data.range(of: end) else { return nil }
    let lines = String(decoding: data[..<head.lowerBound], as: UTF8.self)
      .components(separatedBy: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      headers[parts[0].lowercased()] = parts.last?.trimmingCharacters(in: .whitespaces)
    }
    let length = headers["content-length"].flatMap { Int($0) } ?? 0
    if headers["expect"] != nil { send(client, "HTTP/1.1 100 Continue\r\n\r\n") }
    while data.count < head.upperBound + length { if !more() { return nil } }
    let words = lines[0].split(separator: " ")
    return Request(
      line: "\(words[0]) \(words[1])", headers: headers, body: Data(data[head.upperBound...]))
  }

  private static func send(_ client: Int32, _ text: String) {
    _ = Foundation.send(client, text, text.utf8.count, 0)
  }

  private final class Log: @unchecked Sendable {
    private let lock = NSLock()
    private var lines: [String] = []

    var all: [String] { lock.withLock { lines } }

    func add(_ line: String) { lock.withLock { lines.append(line) } }
  }
}
