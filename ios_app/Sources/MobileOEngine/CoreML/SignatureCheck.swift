import MobileO

/// Whether a loaded model is what the manifest says of a component: names, types and shapes.
struct SignatureCheck {
  let component: String
  /// What is loaded, in errors.
  var subject = "the compiled model"
  let inputs: [TensorSignature]
  let outputs: [TensorSignature]

  /// - Throws: ``MobileOError`` of kind `bundle`, with the name of the first array that differs.
  func check(_ inputs: [String: ModelFeature], _ outputs: [String: ModelFeature]) throws {
    try check(inputs, self.inputs, "takes")
    try check(outputs, self.outputs, "gives")
  }

  private func check(
    _ found: [String: ModelFeature], _ expected: [TensorSignature], _ verb: String
  ) throws {
    for item in expected {
      guard let feature = found[item.name] else {
        throw failure("\(verb) no \(item.name), which the manifest names")
      }
      guard feature.dtype == item.dtype else {
        throw failure("\(verb) \(item.name) as \(feature.dtype), the manifest says \(item.dtype)")
      }
      guard feature.shape.covers(item.shape) else {
        throw failure(
          "\(verb) \(item.name) as \(feature.shape.summary), the manifest says \(item.summary)")
      }
      if item.optional, !feature.isOptional {
        throw failure("needs \(item.name), which may be left out by the manifest")
      }
    }
    let more = found.keys.sorted().first { name in !expected.contains { $0.name == name } }
    if let more { throw failure("\(verb) \(more), which the manifest does not name") }
  }

  private func failure(_ problem: String) -> MobileOError {
    MobileOError(
      .bundle, "\(component): \(subject) \(problem); remove the bundle and install it again")
  }
}

extension ModelFeature.Shape {
  /// Whether every shape that the manifest allows is allowed.
  func covers(_ sizes: [TensorSignature.Dimension]) -> Bool {
    switch self {
    case .unknown: true
    case .fixed(let own):
      own.count == sizes.count && zip(own, sizes).allSatisfy { $1 == .fixed($0) }
    case .ranges(let own):
      own.count == sizes.count
        && zip(own, sizes).allSatisfy { range, size in
          switch size {
          case .fixed(let fixed): range.contains(fixed)
          case .varying(_, let least, let most, _):
            range.contains(least) && range.contains(most)
          }
        }
    case .choice(let all): all.contains { Self.fixed($0).covers(sizes) }
    }
  }

  /// For errors.
  var summary: String {
    switch self {
    case .unknown: "an array of any shape"
    case .fixed(let sizes): Self.text(sizes.map(String.init))
    case .ranges(let ranges):
      Self.text(
        ranges.map { range in
          if range.upperBound == .max { return "any" }
          return range.lowerBound == range.upperBound
            ? String(range.lowerBound) : "\(range.lowerBound)…\(range.upperBound)"
        })
    case .choice(let all):
      all.map { Self.text($0.map(String.init)) }.joined(separator: " or ")
    }
  }

  private static func text(_ sizes: [String]) -> String { "[\(sizes.joined(separator: ", "))]" }
}
