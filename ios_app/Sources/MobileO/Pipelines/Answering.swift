/// How tokens are chosen, how many at most, and the seed of the random numbers.
public struct Sampling: Sendable, Equatable {
  /// 0 takes the most probable token each time.
  public let temperature: Double
  /// Only the most probable tokens that together reach this share take part.
  public let topP: Double
  /// The longest answer, in tokens.
  public let maxNewTokens: Int
  /// Without effect at temperature 0.
  public let seed: UInt64

  /// The recipe's numbers where none are given.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: one of them is out of range.
  public init(
    _ recipe: Recipe, temperature: Double? = nil, topP: Double? = nil, maxNewTokens: Int? = nil,
    seed: UInt64 = 0
  ) throws {
    self.temperature = temperature ?? recipe.text.temperature
    self.topP = topP ?? recipe.text.topP
    self.maxNewTokens = maxNewTokens ?? recipe.text.maxNewTokens
    self.seed = seed
    try TokenSampling.check(temperature: self.temperature, topP: self.topP)
    if self.maxNewTokens < 1 {
      throw MobileOError(.usage, "\(self.maxNewTokens) new tokens: choose at least 1")
    }
  }
}

/// What the model said, and why it stopped there.
public struct Answer: Sendable, Equatable {
  /// Why an answer ended: at a stop token, or at the limit.
  public enum End: String, Sendable {
    case stop, length
  }

  /// Without special tokens.
  public let text: String
  /// What was sampled, the stop token excluded.
  public let ids: [Int]
  /// Why it ended.
  public let ended: End
  /// What the language model was given.
  public let prompt: Prompt
}

/// What happens while an answer is written, in order; ``answer(_:)`` is the last.
public enum AnswerEvent: Sendable, Equatable {
  /// A part of the work begins.
  public enum Stage: String, Sendable {
    case looking, reading, answering
  }

  case stage(Stage)
  /// What the newest tokens add to the text; all of these together are the answer's text.
  case text(String)
  case answer(Answer)
}

extension MobileO {
  /// Answers a question about `photo`, with the text as it comes.
  ///
  /// The stream fails with ``MobileOError``; if the task that reads it is cancelled it ends without
  /// an answer.
  public func answering(
    _ photo: Picture, _ question: String, _ how: Sampling? = nil
  ) -> AsyncThrowingStream<AnswerEvent, any Error> {
    events { emit in
      try require(PipelineTask.ask.components)
      let how = try how ?? Sampling(recipe)
      let prompt = try prompter.ask(
        question, limit: room(how), imageTokens: recipe.preprocessing.tokens)
      try await engine.prepare(for: .ask)
      emit(.stage(.looking))
      let features = try await see(photo)
      emit(.answer(try await respond(prompt, features, how, emit)))
    }
  }

  /// Goes on with a conversation in text: what the user said, what the model answered, …, what the
  /// user says now.
  public func chatting(
    _ turns: [String], _ how: Sampling? = nil
  ) -> AsyncThrowingStream<AnswerEvent, any Error> {
    events { emit in
      try require(PipelineTask.chat.components)
      let how = try how ?? Sampling(recipe)
      let prompt = try prompter.chat(turns, limit: room(how))
      try await engine.prepare(for: .chat)
      emit(.answer(try await respond(prompt, nil, how, emit)))
    }
  }

  /// Answers a question about `photo`.
  ///
  /// - Throws: ``MobileOError``, or `CancellationError` when the task is cancelled.
  public func ask(_ photo: Picture, _ question: String, _ how: Sampling? = nil) async throws
    -> Answer
  {
    try await last(answering(photo, question, how))
  }

  /// The model's answer to the last of `turns`.
  ///
  /// - Throws: ``MobileOError``, or `CancellationError` when the task is cancelled.
  public func chat(_ turns: [String], _ how: Sampling? = nil) async throws -> Answer {
    try await last(chatting(turns, how))
  }

  private func last(_ stream: AsyncThrowingStream<AnswerEvent, any Error>) async throws -> Answer {
    for try await event in stream {
      if case .answer(let answer) = event { return answer }
    }
    throw CancellationError()
  }

  /// Goes on with `prompt` until a stop token or the limit.
  private func respond(
    _ prompt: Prompt, _ features: Tensor?, _ how: Sampling,
    _ emit: @Sendable (AnswerEvent) -> Void
  ) async throws -> Answer {
    emit(.stage(.reading))
    return try await withLanguageModel { session, check in
      let logits = try await read(prompt, features, session, check)
      return try await write(prompt, logits, how, emit) { try await session.step($0) }
    }
  }

  /// Reads a prompt from its beginning; the last position's logits.
  func read(
    _ prompt: Prompt, _ features: Tensor?, _ session: any LanguageModelSession, _ check: CallCheck
  ) async throws -> Tensor {
    var inputs = ["input_ids": prompt.tensor]
    inputs["image_features"] = features
    try check.inputs(inputs)
    return try await session.prefill(prompt.tensor, imageFeatures: features)
  }

  /// Writes an answer behind `prompt`, of which `first` are the logits; `step` goes on with a token.
  func write(
    _ prompt: Prompt, _ first: Tensor, _ how: Sampling,
    _ emit: @Sendable (AnswerEvent) -> Void, isolation: isolated (any Actor)? = #isolation,
    step: (Int) async throws -> Tensor
  ) async throws -> Answer {
    var uniform = Noise.Uniform(seed: how.seed)
    var streamer = TokenStreamer(tokenizer)
    var ended = Answer.End.length
    var logits = first
    emit(.stage(.answering))
    for place in 0..<how.maxNewTokens {
      let token = try TokenSampling.choose(
        logits.floats("logits"), temperature: how.temperature, topP: how.topP
      ) { uniform.next() }
      if recipe.text.stopTokens.contains(token) {
        ended = .stop
        break
      }
      let text = streamer.push(token)
      if !text.isEmpty { emit(.text(text)) }
      if place + 1 < how.maxNewTokens {
        try Task.checkCancellation()
        logits = try await step(token)
      }
    }
    let rest = streamer.finish()
    if !rest.isEmpty { emit(.text(rest)) }
    return Answer(
      text: tokenizer.decode(streamer.ids), ids: streamer.ids, ended: ended, prompt: prompt)
  }

  /// Positions left for a prompt when the longest answer shall fit behind it.
  func room(_ how: Sampling) throws -> Int {
    let room = longestText - how.maxNewTokens
    if room < 1 {
      throw MobileOError(
        .usage,
        "\(how.maxNewTokens) new tokens: the model has \(longestText) positions, prompt included")
    }
    return room
  }
}

/// A conversation in text.
///
/// What was said stays as it was if a turn fails or is cancelled.
public struct Chat: Sendable {
  /// Alternating between the user and the model.
  public private(set) var turns: [String] = []
  private let model: MobileO
  private let how: Sampling?

  /// A conversation that nothing was said in.
  public init(_ model: MobileO, _ how: Sampling? = nil) {
    self.model = model
    self.how = how
  }

  /// The model's answer to `message` and to all that was said before.
  public mutating func send(_ message: String) async throws -> Answer {
    let answer = try await model.chat(turns + [message], how)
    turns += [message, answer.text]
    return answer
  }
}
