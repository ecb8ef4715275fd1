/// How long the steps that are left take, by those that were seen.
package struct Pace {
  private var last: Duration?
  private var took: [Duration] = []

  package init() {}

  /// A step is done at `now`; what all others of `steps` take together, nil after the first.
  ///
  /// The first step is left out, since it may load the transformer; of the rest the (lower) median counts, so
  /// that one slow step moves nothing.
  package mutating func step(_ step: Int, of steps: Int, at now: Duration) -> Duration? {
    if let last { took.append(now - last) }
    last = now
    if took.isEmpty { return nil }
    return took.sorted()[(took.count - 1) / 2] * (steps - step)
  }
}
