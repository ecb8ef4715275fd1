import Foundation

/// How the program ends when somebody ends it: in one line, with the code that shells know.
enum Signals {
  /// 130 interrupted, 143 asked to terminate.
  private(set) nonisolated(unsafe) static var code: Int32 = 130
  /// Where a signal is told to whoever cancels the work; −1: it ends the program.
  private nonisolated(unsafe) static var alarm: Int32 = -1
  /// How long cancelled work may take to close what it opened, in seconds.
  private static let patience: UInt32 = 5

  static func install() {
    signal(SIGINT) { _ in Signals.caught(130) }
    signal(SIGTERM) { _ in Signals.caught(143) }
    // Whoever reads us, such as head, has seen enough.
    signal(SIGPIPE) { _ in _exit(0) }
  }

  /// Runs `work`; a signal cancels it, so that what it opened elsewhere is closed and nothing is left
  /// half-written. The next signal ends the program at once, and so does work that does not end.
  static func cancelling<Result: Sendable>(
    _ work: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    let task = Task { try await work() }
    let pipe = Pipe()
    let reader = pipe.fileHandleForReading
    alarm = pipe.fileHandleForWriting.fileDescriptor
    Thread.detachNewThread {
      if reader.availableData.isEmpty { return }
      task.cancel()
      sleep(patience)
      end(code)
    }
    defer {
      alarm = -1
      try? pipe.fileHandleForWriting.close()
    }
    return try await task.value
  }

  /// Only what a signal handler may do: stores, a write, and the end.
  private static func caught(_ number: Int32) {
    let told = alarm
    if told < 0 { end(number) }
    (alarm, code) = (-1, number)
    _ = write(told, "!", 1)
  }

  private static func end(_ code: Int32) {
    let line: StaticString = "error: interrupted\n"
    _ = write(STDERR_FILENO, line.utf8Start, line.utf8CodeUnitCount)
    _exit(code)
  }
}
