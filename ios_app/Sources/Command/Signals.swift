import Foundation

/// How the program ends when somebody ends it: in one line, with the code that shells know.
enum Signals {
  static func install() {
    signal(SIGINT) { _ in Signals.end(130) }
    signal(SIGTERM) { _ in Signals.end(143) }
    // Whoever reads us, such as head, has seen enough.
    signal(SIGPIPE) { _ in _exit(0) }
  }

  /// Only what a signal handler may do: a write, and the end.
  private static func end(_ code: Int32) {
    let line: StaticString = "error: interrupted\n"
    _ = write(STDERR_FILENO, line.utf8Start, line.utf8CodeUnitCount)
    _exit(code)
  }
}
