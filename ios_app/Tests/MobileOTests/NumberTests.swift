import Foundation
import MobileO
import Testing

@Suite struct NumberTests {
  static let sampling = Recipe.Sampling.published

  @Test(arguments: Goldens.all) func noiseIsNumPys(_ set: Goldens) throws {
    var (compared, seeds) = (0, [UInt64]())
    for item in try set.json("noise.json").array ?? [] {
      let seed = try #require(UInt64(item["seed"]?.string ?? ""))
      seeds.append(seed)
      let normal = item["normal"]?.floats ?? []
      #expect(Noise.normal(seed: seed, count: normal.count) == normal)
      var stream = Noise.Uniform(seed: seed)
      #expect((0..<64).map { _ in stream.next() } == item["uniform"]?.doubles)
      compared += normal.count
      guard let raw = try? set.bytes("noise-\(seed).bin") else { continue }
      let values = Noise.normal(seed: seed, count: raw.count / 4)
      let differing = raw.withUnsafeBytes { raw in
        values.indices.count {
          values[$0].bitPattern != raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)
        }
      }
      #expect(differing == 0)
      compared += values.count
    }
    #expect(seeds == [0, 1, 42, 1 << 63, .max])
    #expect(!set.isSweep || compared >= 5_000_000)
    set.report(compared, "values of noise, equal to the bit")
  }

  @Test func anOddCountIsTheBeginningOfTheNext() {
    #expect(Noise.normal(seed: 9, count: 7) == Array(Noise.normal(seed: 9, count: 8).prefix(7)))
    #expect(Noise.normal(seed: 9, count: 0) == [])
  }

  @Test(arguments: Goldens.all) func solverStepsAreThoseOfPython(_ set: Goldens) throws {
    var (steps, inexact, counts) = (0, 0, Set<Int>())
    for item in try set.json("solver.json").array ?? [] {
      let schedule = try Schedule(Self.sampling, steps: item["steps"]?.integer ?? 0)
      #expect(schedule.sigmas == item["sigmas"]?.floats)
      #expect(schedule.timesteps == item["timesteps"]?.integers)
      counts.insert(schedule.timesteps.count)
      var solver = Solver(schedule)
      var latent = item["latent"]?.floats ?? []
      let velocities = item["velocities"]?.array ?? []
      for (velocity, expected) in zip(velocities, item["latents"]?.array ?? []) {
        latent = try solver.step(velocity: velocity.floats, latent: latent)
        let measured = try Metrics(
          reference: expected.floats, found: latent, shape: [latent.count], layout: .logits,
          sliceFloor: 1e-3)
        #expect(measured.relativeL2 <= 6e-7)
        inexact += latent == expected.floats ? 0 : 1
        steps += 1
      }
      #expect(throws: MobileOError.self) {
        try solver.step(velocity: latent, latent: latent)
      }
    }
    #expect(!set.isSweep || counts == Set(1...500))
    set.report(steps, "steps of the solver, \(inexact) of them not equal to the bit")
  }

  @Test func stepsOutOfRangeAreRefused() {
    for steps in [-1, 0, 501, .max] {
      #expect(failure { try Schedule(Self.sampling, steps: steps) }?.kind == .usage)
    }
  }

  @Test(arguments: Goldens.all) func tokensAreDrawnAsPythonDrawsThem(_ set: Goldens) throws {
    let cases = try set.json("sampling.json").array ?? []
    for item in cases {
      let uniform = item["uniform"]?.double ?? 0
      let token = try TokenSampling.choose(
        item["logits"]?.floats ?? [], temperature: item["temperature"]?.double ?? 0,
        topP: item["top_p"]?.double ?? 1
      ) { uniform }
      #expect(token == item["token"]?.integer)
    }
    #expect(!set.isSweep || cases.count >= 1000)
    set.report(cases.count, "draws of a token")
  }

  @Test func whatCannotBeDrawnFromIsRefused() {
    for logits in [[], [Float.nan, 1], [.infinity], [-.infinity, 0]] {
      let error = failure {
        try TokenSampling.choose(logits, temperature: 1, topP: 1) { 0.5 }
      }
      #expect(error?.kind == .session)
    }
    for (temperature, topP) in [(-1.0, 1.0), (11, 1), (.nan, 1), (1, 0), (1, 1.1), (1, .nan)] {
      #expect(throws: MobileOError.self) {
        try TokenSampling.check(temperature: temperature, topP: topP)
      }
    }
  }

  @Test(arguments: Goldens.all) func figuresAreThoseOfPython(_ set: Goldens) throws {
    let cases = try set.json("metrics.json").array ?? []
    for item in cases {
      let measured = try Metrics(
        reference: item["reference"]?.floats ?? [], found: item["found"]?.floats ?? [],
        shape: item["shape"]?.integers ?? [],
        layout: #require(Metrics.Layout(rawValue: item["layout"]?.string ?? "")),
        sliceFloor: item["floor"]?.double ?? 0)
      expect(measured.maxAbsolute, item["max_absolute"])
      expect(measured.relativeL2, item["relative_l2"])
      expect(measured.psnr, item["psnr"])
      for (slice, expected) in zip(measured.worst, item["worst"]?.array ?? []) {
        #expect(slice.family.rawValue == expected.array?[0].string)
        #expect(slice.index == expected.array?[1].integers)
        expect(slice.error, expected.array?[2])
      }
      #expect(measured.worst.count == item["worst"]?.array?.count)
    }
    set.report(cases.count, "comparisons measured")
  }

  private func expect(_ found: Double, _ expected: JSONValue?) {
    let expected = expected?.figure ?? .nan
    #expect(found == expected || abs(found - expected) <= 1e-12 * abs(expected))
  }

  @Test func sha256IsTheStandards() {
    let cases: [(String, Int, String)] = [
      ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      ("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ]
    for (text, times, digest) in cases {
      let bytes = [UInt8](String(repeating: text, count: times).utf8)
      #expect(SHA256Digest.of(bytes) == digest)
      for part in [1, 55, 56, 63, 64, 65, 1000] where bytes.count < 5 || part > 50 {
        var state = PlainSHA256()
        for start in stride(from: 0, to: bytes.count, by: part) {
          bytes[start..<min(start + part, bytes.count)].withUnsafeBytes { state.update($0) }
        }
        let found = state.finish().map { String(format: "%02x", $0) }.joined()
        #expect(found == digest)
      }
    }
  }

  @Test func halvesAreWidenedExactly() {
    let cases: [(UInt16, Float)] = [
      (0, 0), (0x3C00, 1), (0xC000, -2), (0x7BFF, 65504), (1, 0x1p-24), (0x8001, -0x1p-24),
      (0x03FF, 1023 * 0x1p-24), (0x0400, 0x1p-14), (0x7C00, .infinity), (0xFC00, -.infinity),
    ]
    for (half, value) in cases { #expect(Half.widen(half) == value) }
    #expect(Half.widen(0x8000).sign == .minus)
    #expect(Half.widen(0x7E00).isNaN)
  }
}
