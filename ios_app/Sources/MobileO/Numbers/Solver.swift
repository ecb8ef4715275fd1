import Foundation

/// The noise levels of a picture, and what the transformer is told of them.
public struct Schedule: Sendable, Equatable {
  /// The most steps that a picture can be drawn in.
  public static let mostSteps = 500

  /// [steps + 1], falling, the last 0.
  public let sigmas: [Float]
  /// [steps]: the sigmas times T, truncated.
  public let timesteps: [Int]

  /// σ = linspace(1 − 1/T, 0, steps + 1) without its end, shifted s·σ / (1 + (s − 1)·σ), then 0.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: fewer than 1 or more than 500 steps.
  public init(_ sampling: Recipe.Sampling, steps: Int) throws {
    guard (1...Self.mostSteps).contains(steps) else {
      throw MobileOError(.usage, "\(steps) steps: choose 1 to \(Self.mostSteps)")
    }
    let start = 1 - 1 / Double(sampling.trainTimesteps)
    let stride = (0 - start) / Double(steps)
    let shift = sampling.flowShift
    let levels = (0..<steps).map { step in
      let even = Double(step) * stride + start
      return shift * even / (1 + (shift - 1) * even)
    }
    sigmas = levels.map { Float($0) } + [0]
    timesteps = levels.map { Int($0 * Double(sampling.trainTimesteps)) }
  }
}

/// DPM-Solver++ 2M (Lu et al. 2022, arXiv 2211.01095) on flow sigmas, in float32 throughout, in the
/// order of operations of the Python package, so that the two agree to the bit.
public struct Solver: Sendable {
  /// The levels that it walks along.
  public let schedule: Schedule
  private var step = 0
  private var earlier: [Float]?

  /// A solver at the first step.
  public init(_ schedule: Schedule) { self.schedule = schedule }

  /// One step: the next latent, of as many values as `velocity` and `latent`.
  ///
  /// x₀ = x − σ·v; then, with λ = ln(1 − σ) − ln σ, h = λ' − λ and r = h₋ / h,
  /// x' = σ'/σ·x − (1 − σ')·(e⁻ʰ − 1)·(x₀ + (x₀ − x₀₋) / 2r). ``estimate`` is x₀ afterwards.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: all steps are done, or the sizes differ.
  public mutating func step(velocity: [Float], latent: [Float]) throws -> [Float] {
    guard step < schedule.timesteps.count, velocity.count == latent.count,
      earlier == nil || earlier?.count == latent.count
    else {
      throw MobileOError(.usage, "all steps are done, or the sizes differ; begin a new picture")
    }
    let level = schedule.sigmas[step]
    let following = schedule.sigmas[step + 1]
    let estimate = zip(latent, velocity).map { $0 - level * $1 }
    defer {
      earlier = estimate
      step += 1
    }
    if step == schedule.timesteps.count - 1 { return estimate }
    let width = Self.signal(following) - Self.signal(level)
    let factor = (1 - following) * (Float(exp(Double(-width))) - 1)
    let ratio = following / level
    var result = zip(latent, estimate).map { ratio * $0 - factor * $1 }
    if let earlier {
      let before = Self.signal(level) - Self.signal(schedule.sigmas[step - 1])
      let slope = 1 / (before / width)
      let half = 0.5 * factor
      for place in result.indices {
        result[place] -= half * (slope * (estimate[place] - earlier[place]))
      }
    }
    return result
  }

  /// The last step's estimate of the denoised latent x₀: what a preview shows. Nil before the first.
  public var estimate: [Float]? { earlier }

  /// λ(σ) = ln(1 − σ) − ln σ: in float64, rounded, within a unit in the last place anywhere.
  private static func signal(_ sigma: Float) -> Float {
    Float(log(Double(1 - sigma))) - Float(log(Double(sigma)))
  }
}

/// Guidance: u + g·(c − u) of the two branches' velocities, in float32.
package func guided(conditional: [Float], unconditional: [Float], guidance: Float) -> [Float] {
  zip(conditional, unconditional).map { $1 + guidance * ($0 - $1) }
}
