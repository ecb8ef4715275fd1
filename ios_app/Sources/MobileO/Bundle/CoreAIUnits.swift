/// What Core AI may compute on, in the words of settings and reports.
public enum CoreAIUnits: String, Sendable, CaseIterable {
  /// Whichever of them the system takes for the fastest.
  case all
  case cpuOnly = "cpu_only"
}
