import Foundation

/// How far the work is, on standard error: one line that changes on a terminal, else a line a stage.
struct ProgressDisplay {
  private let isShown: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var firstStep: ContinuousClock.Instant?
  private var isDirty = false

  init(quiet: Bool) { isShown = !quiet }

  /// `component` enters a stage.
  mutating func stage(_ component: String, _ stage: String) {
    if isTerminal { show(stage) } else if isShown { Output.aside("\(component): \(stage)\n") }
  }

  /// Step `step` of `steps` is done. The time left is that of the steps so far, the first excepted,
  /// which loads.
  mutating func step(_ step: Int, of steps: Int, _ what: String = "drawing, step") {
    let now = ContinuousClock.now
    var left = ""
    if let firstStep, step > 1, step < steps {
      let rest = firstStep.duration(to: now) / (step - 1) * (steps - step)
      let seconds = Int((rest / .seconds(1)).rounded(.up))
      left = String(format: ", %d:%02d left", seconds / 60, seconds % 60)
    }
    firstStep = firstStep ?? now
    if isTerminal { show("\(what) \(step) of \(steps)\(left)") }
  }

  /// Leaves the terminal as it was.
  mutating func end() {
    if isDirty { Output.aside("\r\u{1B}[K") }
    isDirty = false
  }

  private mutating func show(_ line: String) {
    guard isShown else { return }
    Output.aside("\r\u{1B}[K\(line)")
    isDirty = true
  }
}
