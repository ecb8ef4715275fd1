/// The transfer of one file: what to ask for next, what an answer is worth, when to give up.
///
/// Nothing in it waits, reads or writes.
struct FileTransfer: Sendable {
  /// Why an attempt failed.
  struct Problem: Error, Equatable {
    /// In a few words, behind "it".
    let reason: String
    /// Whether trying again cannot help.
    var isFinal = false
    /// Whether what came so far is of no use.
    var spoils = false
    /// How long the server asks to wait.
    var pause: Duration?
  }

  /// What to do after a failure.
  enum Next: Equatable {
    case again(after: Duration)
    case giveUp
  }

  let size: Int
  private let settings: DownloadSettings
  /// Bytes that are there.
  private(set) var have: Int
  /// Their entity tag, where the server gave a strong one.
  private(set) var tag: String?
  /// How often it failed since it got further than ever.
  private(set) var failures = 0
  private var best: Int
  /// Where the body that is coming has to end.
  private var end = 0
  private var takesRanges = true

  init(size: Int, have: Int, tag: String?, _ settings: DownloadSettings) {
    (self.size, self.have, self.tag, self.settings) = (size, have, tag, settings)
    best = have
  }

  var isWhole: Bool { have == size }

  /// The bytes to ask for; nil asks for the whole file.
  var range: Range<Int>? {
    let block = max(1, settings.block)
    let whole = !takesRanges || (have == 0 && size <= block)
    return whole ? nil : have..<min(size, have.plus(block))
  }

  /// Judges the head of an answer; true means that the body starts at the beginning of the file.
  mutating func judge(_ status: Int, _ headers: [String: String]) throws(Problem) -> Bool {
    let tag = headers["etag"].flatMap { $0.hasPrefix("\"") ? $0 : nil }
    let length = headers["content-length"].flatMap { Int($0) }
    switch status {
    case 200:
      if let length, length != size {
        throw Problem(reason: "has \(length) bytes, \(size) are listed")
      }
      (have, end, self.tag) = (0, size, tag)
      return true
    case 206:
      guard let asked = range, let found = Self.contentRange(headers["content-range"], size),
        found.lowerBound == asked.lowerBound, found.upperBound <= asked.upperBound,
        length.map({ $0 == found.count }) ?? true
      else {
        takesRanges = false
        let sent = headers["content-range"] ?? "no range"
        throw Problem(reason: "answers with a part that was not asked for (\(sent))")
      }
      if let old = self.tag, let tag, old != tag {
        takesRanges = false
        throw Problem(reason: "was changed meanwhile", spoils: true)
      }
      if have == 0 { self.tag = tag }
      end = found.upperBound
      return false
    case 416: throw Problem(reason: "is shorter than listed", spoils: true)
    case 408, 425, 429, 500...599:
      let seconds = headers["retry-after"].flatMap { Int($0) }
      throw Problem(
        reason: "cannot be had now (status \(status))",
        pause: seconds.map { .seconds(min(max($0, 0), 86400)) })
    case 300...399:
      throw Problem(reason: "redirects too often, or to where it must not", isFinal: true)
    default: throw Problem(reason: "cannot be had (status \(status))", isFinal: true)
    }
  }

  /// Takes note of bytes that were written.
  mutating func received(_ count: Int) throws(Problem) {
    have += count
    if have > end { throw Problem(reason: "sends more than was asked for", spoils: true) }
  }

  /// The end of a body.
  mutating func ended() throws(Problem) {
    if have < end { throw Problem(reason: "ended \(end - have) bytes early") }
  }

  /// What came is thrown away.
  mutating func restart() { (have, tag) = (0, nil) }

  /// What to do after `problem`.
  mutating func failed(_ problem: Problem) -> Next {
    if have > best { (failures, best) = (0, have) }
    failures += 1
    if problem.isFinal || failures >= settings.attempts { return .giveUp }
    return .again(after: settings.pause(failures, asked: problem.pause))
  }

  /// `bytes 0-9/20` of a file of `size` bytes.
  private static func contentRange(_ text: String?, _ size: Int) -> Range<Int>? {
    guard let text, text.hasPrefix("bytes ") else { return nil }
    let halves = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
    let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
    guard halves.count == 2, halves[1] == "*" || Int(halves[1]) == size, ends.count == 2,
      let first = Int(ends[0]), let last = Int(ends[1]), 0 <= first, first <= last, last < size
    else { return nil }
    return first..<last + 1
  }
}
