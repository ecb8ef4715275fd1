import Foundation

/// A web server on this machine that answers as it is told to, one request a connection.
final class LyingServer: @unchecked Sendable {
  struct Request {
    let path: String
    let headers: [String: String]
    /// How many requests for this path came before.
    let earlier: Int
    /// The first and last byte that are asked for.
    let range: ClosedRange<Int>?
  }

  struct Reply {
    /// What happens behind the body.
    enum End { case close, reset, hang }

    var status = 200
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    /// Stops in the middle, after so many bytes of the body.
    var cut: Int?
    var end = End.close
    /// Whether `Content-Length` says how long the body is.
    var saysLength = true
  }

  private let socket: Int32
  private let answer: @Sendable (Request) -> Reply
  private let lock = NSLock()
  private var counts: [String: Int] = [:]
  private var bodyBytes: [String: Int] = [:]
  private var hanging: [Int32] = []
  let address: URL

  init(_ answer: @escaping @Sendable (Request) -> Reply) throws {
    self.answer = answer
    #if canImport(Glibc)
      let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      let socket = Foundation.socket(AF_INET, SOCK_STREAM, 0)
    #endif
    self.socket = socket
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &place) { place in
      place.withMemoryRebound(to: sockaddr.self, capacity: 1) { plain in
        bind(socket, plain, size) == 0 && listen(socket, 64) == 0
          && getsockname(socket, plain, &size) == 0
      }
    }
    let port = UInt16(bigEndian: place.sin_port)
    guard bound, let address = URL(string: "http://127.0.0.1:\(port)/a%20bundle") else {
      throw CocoaError(.featureUnsupported)
    }
    self.address = address
    signal(SIGPIPE, SIG_IGN)
    Thread.detachNewThread { [self] in
      while true {
        let connection = accept(socket, nil, nil)
        if connection < 0 { return }
        Thread.detachNewThread { self.serve(connection) }
      }
    }
  }

  /// Ends the server, and what still hangs.
  func stop() {
    shutdown(socket, Int32(SHUT_RDWR))
    close(socket)
    lock.withLock { for connection in hanging { close(connection) } }
  }

  /// How many requests came for a path.
  func requests(_ path: String) -> Int { lock.withLock { counts[path] ?? 0 } }
  /// All paths that were asked for.
  var paths: Set<String> { lock.withLock { Set(counts.keys) } }
  /// Bytes of bodies that were sent, the manifest's left out.
  var sent: Int {
    lock.withLock { bodyBytes.filter { $0.key != "/manifest.json" }.values.reduce(0, +) }
  }

  private func serve(_ connection: Int32) {
    var head: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !head.ends(with: [13, 10, 13, 10]) {
      let count = recv(connection, &buffer, buffer.count, 0)
      if count <= 0 { return _ = close(connection) }
      head += buffer[..<count]
    }
    let reply = answer(request(head))
    var lines = ["HTTP/1.1 \(reply.status) Said", "Connection: close"]
    if reply.saysLength { lines.append("Content-Length: \(reply.body.count)") }
    lines += reply.headers.map { "\($0.key): \($0.value)" }
    _ = send(connection, Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
    let body = Array(reply.body.prefix(reply.cut ?? reply.body.count))
    let path = request(head, counted: false).path
    lock.withLock { bodyBytes[path, default: 0] += body.count }
    guard send(connection, body) else { return _ = close(connection) }
    switch reply.end {
    case .close: close(connection)
    case .hang: lock.withLock { hanging.append(connection) }
    case .reset:
      usleep(2000)  // what was sent is read before the reset throws it away
      var now = linger(l_onoff: 1, l_linger: 0)
      setsockopt(connection, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
      close(connection)
    }
  }

  private func send(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
    var start = 0
    while start < bytes.count {
      let count = bytes[start...].withUnsafeBytes {
        Foundation.send(connection, $0.baseAddress, $0.count, 0)
      }
      if count <= 0 { return false }
      start += count
    }
    return true
  }

  private func request(_ head: [UInt8], counted: Bool = true) -> Request {
    let lines = String(decoding: head, as: UTF8.self).components(separatedBy: "\r\n")
    let target = lines[0].split(separator: " ").dropFirst().first.map(String.init) ?? ""
    let path = String((target.removingPercentEncoding ?? "").dropFirst("/a bundle".count))
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 {
        headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
      }
    }
    let ends = (headers["range"] ?? "").dropFirst(6).split(separator: "-").compactMap { Int($0) }
    let earlier = lock.withLock { () -> Int in
      if counted { counts[path, default: 0] += 1 }
      return (counts[path] ?? 1) - 1
    }
    return Request(
      path: path, headers: headers, earlier: earlier,
      range: ends.count == 2 ? ends[0]...ends[1] : nil)
  }
}

extension LyingServer.Reply {
  /// What an honest server says: ranges and `If-Range` are understood.
  static func honest(
    _ request: LyingServer.Request, _ files: [String: [UInt8]], tag: String = "\"1\""
  ) -> Self {
    guard let body = files[request.path] else { return Self(status: 404, body: Array("no".utf8)) }
    let fits = request.headers["if-range"].map { $0 == tag } ?? true
    guard let range = request.range, fits else { return Self(headers: ["ETag": tag], body: body) }
    guard range.lowerBound < body.count else { return Self(status: 416) }
    let last = min(range.upperBound, body.count - 1)
    return Self(
      status: 206,
      headers: [
        "ETag": tag, "Content-Range": "bytes \(range.lowerBound)-\(last)/\(body.count)",
      ], body: Array(body[range.lowerBound...last]))
  }
}

extension Array where Element == UInt8 {
  fileprivate func ends(with end: [UInt8]) -> Bool { suffix(end.count).elementsEqual(end) }
}
