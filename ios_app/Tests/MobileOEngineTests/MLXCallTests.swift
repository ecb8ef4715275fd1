import MobileO
import MobileOEngine
import Testing

/// What is asked of a call before MLX sees it, and what becomes of MLX's own failures.
@Suite struct MLXCallTests {
  private let plan: LanguageModelPlan
  private let features: Tensor

  init() throws {
    plan = try MLXFolders().plan("8-bit")
    features = Tensor(
      shape: [1, plan.features, plan.configuration.featureWidth],
      .float32(Array(repeating: 0.5, count: plan.features * plan.configuration.featureWidth)))
  }

  private func ids(_ ids: [Int]) -> Tensor {
    Tensor(shape: [1, ids.count], .int32(ids.map(Int32.init)))
  }

  private func refusal(_ part: String, _ body: () throws -> LanguageModelCall) {
    let error = #expect(throws: MobileOError.self) { try body() }
    #expect(error?.kind == .session)
    #expect(error?.description.contains(part) == true, "\(error?.description ?? "") of \(part)")
  }

  @Test func aText() throws {
    let call = try LanguageModelCall(["input_ids": ids([1, 2, 3])], plan)
    #expect(call.ids == [1, 2, 3] && call.features == nil && call.span.isEmpty && call.length == 3)
  }

  @Test func oneImageTokenStandsForAllFeatures() throws {
    let image = plan.configuration.imageToken
    let call = try LanguageModelCall(ids([1, image, 3]), imageFeatures: features, plan)
    #expect(call.span == 1..<2 && call.length == 2 + plan.features)
    #expect(call.features?.count == features.count)
  }

  @Test func aRowOfImageTokensStandsForOneFeatureEach() throws {
    let row = Array(repeating: plan.configuration.imageToken, count: plan.features)
    let call = try LanguageModelCall(ids([1] + row + [3]), imageFeatures: features, plan)
    #expect(call.span == 1..<1 + plan.features && call.length == 2 + plan.features)
  }

  @Test func whatTheSignatureDoesNotAllowIsRefusedByName() throws {
    let image = plan.configuration.imageToken
    refusal("float32 [1, 1]") {
      try LanguageModelCall(Tensor(shape: [1, 1], .float32([1])), plan)
    }
    refusal("int32 [2]") { try LanguageModelCall(Tensor(shape: [2], .int32([1, 2])), plan) }
    refusal("int32 [1, 0]") { try LanguageModelCall(ids([]), plan) }
    refusal("holds 512, the vocabulary has ids 0 to 511") {
      try LanguageModelCall(ids([0, 512]), plan)
    }
    refusal("holds -1") { try LanguageModelCall(ids([-1]), plan) }
    refusal("image_features as float32 [1, 16, 256]") {
      let wrong = Tensor(shape: [1, 1, 256], .float32(Array(repeating: 0, count: 256)))
      return try LanguageModelCall(ids([image]), imageFeatures: wrong, plan)
    }
    refusal("0 image tokens") { try LanguageModelCall(ids([1]), imageFeatures: features, plan) }
    refusal("2 image tokens") {
      try LanguageModelCall(ids([image, image]), imageFeatures: features, plan)
    }
    refusal("takes no pixels") {
      try LanguageModelCall(["input_ids": ids([1]), "pixels": features], plan)
    }
    refusal("input_ids, which is missing") {
      try LanguageModelCall(["image_features": features], plan)
    }
  }

  @Test func noPositionIsLeft() throws {
    let longest = plan.longest
    #expect(try LanguageModelCall(ids([1]), after: longest - 1, plan).length == 1)
    refusal("\(longest + 1) positions, the language model has \(longest)") {
      try LanguageModelCall(ids([1]), after: longest, plan)
    }
    refusal("\(longest + 15)") {
      let text = Array(repeating: 1, count: longest - 1) + [plan.configuration.imageToken]
      return try LanguageModelCall(ids(text), imageFeatures: features, plan)
    }
  }

  @Test func exactNumbersAreNotHadOnceMLXBeganWithOthers() throws {
    var exact = ReducedPrecision()
    #expect(try exact.settle(false) == false)
    #expect(try exact.settle(true) == false, "exact numbers are right for both")
    var reduced = ReducedPrecision()
    #expect(try reduced.settle(true))
    let error = #expect(throws: MobileOError.self) { try reduced.settle(false) }
    #expect(error?.kind == .usage)
    #expect(reduced.isAllowed == true)
  }

  @Test func whatMLXReportsIsTyped() {
    let memory = MobileOError(
      mlx: "[metal::malloc] Attempting to allocate 5 bytes", in: "the language model")
    #expect(memory.kind == .memory && memory.description.contains("5 bytes"))
    #expect(MobileOError(mlx: "[malloc] Unable to allocate 5 bytes.", in: "dit").kind == .memory)
    #expect(MobileOError(mlx: "[matmul] shapes differ", in: "dit").kind == .session)
  }
}
