// What no test ran, for previews of views and for tests of what shows a self-test.

extension SelfTestLoad {
  /// A load that somebody says there was.
  package static func sample(_ component: String, footprint: Int?) -> SelfTestLoad {
    SelfTestLoad(component: component, seconds: 1, footprint: footprint)
  }
}

extension SelfTestReport {
  /// A report of one check, which failed if there is a `problem`.
  package static func sample(_ manifest: Manifest, problem: String?) -> SelfTestReport {
    SelfTestReport(
      program: ("sample", "1"), manifest: manifest, machine: JSONObject([]), components: [],
      checks: [GoldenReplay.Check(name: "tokenizer 7", problem: problem)])
  }
}
