import Foundation

/// Which token comes next.
public enum TokenSampling {
  /// Checks what a user asks for.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: a temperature or share that means nothing.
  public static func check(temperature: Double, topP: Double) throws {
    guard temperature >= 0, temperature <= 10 else {
      throw MobileOError(
        .usage, "temperature \(temperature): choose 0 (the most probable token) to 10")
    }
    guard topP > 0, topP <= 1 else {
      throw MobileOError(.usage, "top-p \(topP): choose more than 0, at most 1")
    }
  }

  /// A token id drawn from softmax(`logits` / `temperature`), [V], in float64.
  ///
  /// Of the ids in order of falling probability (ties by id) the first that together reach `topP` take
  /// part; the one is chosen at which their running sum passes the next number of `uniform`.
  /// Temperature 0 takes the most probable id, the first of equals, and draws no number.
  ///
  /// - Throws: ``MobileOError`` of kind `session`: there are no logits, or one is not finite.
  public static func choose(
    _ logits: [Float], temperature: Double, topP: Double, uniform: () -> Double
  ) throws -> Int {
    guard let largest = logits.max(), logits.allSatisfy(\.isFinite) else {
      throw MobileOError(
        .session,
        "the language model's logits are not finite; verify the bundle with its checkpoint")
    }
    if temperature == 0 { return logits.firstIndex(of: largest) ?? 0 }
    let peak = Double(largest)
    let weights = logits.map { exp((Double($0) - peak) / temperature) }
    let order = weights.indices.sorted {
      weights[$0] > weights[$1] || (weights[$0] == weights[$1] && $0 < $1)
    }
    let whole = weights.reduce(0, +)
    var sum = 0.0
    let running = order.map { id in
      sum += weights[id] / whole
      return sum
    }
    let share = min(topP, sum)
    let last = running.firstIndex { $0 >= share } ?? running.count - 1
    let drawn = uniform() * running[last]
    let place = running[...last].firstIndex { $0 > drawn } ?? last
    return order[place]
  }
}
