/// Questions about one picture, one after the other, each knowing what was said before.
///
///     let dialog = VisualDialog(model, about: photo)
///     try await dialog.ask("what is on the table?").text
///     try await dialog.ask("what color is it?").text  // costs its own tokens only
///     await dialog.close()
///
/// The picture is seen once. Between two answers the language model stays open with all that it has
/// read, so that a further question goes on from there; while it does, an engine that lends one component
/// at a time lends no other, so ``close()`` it before another pipeline runs. Closed, stopped or failed it
/// can be asked all the same: then everything is read anew, and the tokens are the same, since a prompt
/// depends on the texts alone. So it is where the oldest exchanges no longer fit.
public actor VisualDialog {
  /// What was asked, what the model answered, …: alternating.
  public private(set) var turns: [String]

  private let model: MobileO
  private let photo: Picture
  private var features: Tensor?
  private var kept: Kept?
  private var isAsking = false
  private var closes = false

  /// The language model, and the tokens of which it holds keys and values.
  private struct Kept {
    let session: any LanguageModelSession
    var ids: [Int]
  }

  /// A dialog about `photo` in which nothing was said, or in which `turns` were.
  public init(_ model: MobileO, about photo: Picture, turns: [String] = []) {
    self.model = model
    self.photo = photo
    self.turns = turns
  }

  deinit {
    if let session = kept?.session { Task { await session.close() } }
  }

  /// Whether the language model is open with what was said.
  public var isOpen: Bool { kept != nil }

  /// The answer to `question` and to all that was said before, with the text as it comes.
  ///
  /// What was said stays as it was if it fails, as ``MobileO/answering(_:_:_:)`` does, or is cancelled.
  /// One question at a time: another meanwhile fails with ``MobileOError`` of kind `usage`.
  public nonisolated func asking(
    _ question: String, _ how: Sampling? = nil
  ) -> AsyncThrowingStream<AnswerEvent, any Error> {
    events { emit in emit(.answer(try await self.answer(next: question, how, emit))) }
  }

  /// The same of a dialog whose turns are kept elsewhere: question, answer, …, question.
  package nonisolated func answering(
    _ turns: [String], _ how: Sampling? = nil
  ) -> AsyncThrowingStream<AnswerEvent, any Error> {
    events { emit in emit(.answer(try await self.answer(turns, how, emit))) }
  }

  /// The answer to `question` and to all that was said before.
  ///
  /// - Throws: ``MobileOError``, or `CancellationError` when the task is cancelled.
  public func ask(_ question: String, _ how: Sampling? = nil) async throws -> Answer {
    try await answer(next: question, how) { _ in }
  }

  /// Gives the language model back: when memory runs low, the app leaves, or something else is to run.
  /// An answer that is being written goes on, and gives it back behind its end.
  public func close() async {
    if isAsking {
      closes = true
    } else {
      await letGo()
    }
  }

  private func answer(
    next question: String, _ how: Sampling?, _ emit: @Sendable (AnswerEvent) -> Void
  ) async throws -> Answer {
    try await answer(turns + [question], how, emit)
  }

  private func answer(
    _ turns: [String], _ how: Sampling?, _ emit: @Sendable (AnswerEvent) -> Void
  ) async throws -> Answer {
    if isAsking {
      throw MobileOError(.usage, "a question is being answered; wait for it, or cancel it")
    }
    (isAsking, closes) = (true, false)
    defer { isAsking = false }
    do {
      let answer = try await respond(turns, how, emit)
      self.turns = turns + [answer.text]
      if closes { await letGo() }
      return answer
    } catch {
      // Nobody knows what it has read.
      await letGo()
      throw error
    }
  }

  private func respond(
    _ turns: [String], _ how: Sampling?, _ emit: @Sendable (AnswerEvent) -> Void
  ) async throws -> Answer {
    try model.require(PipelineTask.ask.components)
    let how = try how ?? Sampling(model.recipe)
    let prompt = try model.prompter.ask(
      turns, limit: model.room(how), imageTokens: model.recipe.preprocessing.tokens)
    let features = try await seen(emit)
    emit(.stage(.reading))
    let check = CallCheck(component: "llm", signature: try model.manifest.component("llm"))
    try Task.checkCancellation()
    let first: Tensor
    if let kept, prompt.ids.count > kept.ids.count, prompt.ids.starts(with: kept.ids) {
      let rest = Prompt(ids: Array(prompt.ids.dropFirst(kept.ids.count)), cut: 0)
      first = try await kept.session.extend(rest.tensor)
    } else {
      first = try await model.read(prompt, features, try await session(), check)
    }
    kept?.ids = prompt.ids
    return try await model.write(prompt, first, how, emit) { try await step($0) }
  }

  private func step(_ token: Int) async throws -> Tensor {
    guard let session = kept?.session else { throw CancellationError() }
    let logits = try await session.step(token)
    kept?.ids.append(token)
    return logits
  }

  private func seen(_ emit: @Sendable (AnswerEvent) -> Void) async throws -> Tensor {
    if let features { return features }
    try await model.engine.prepare(for: .ask)
    emit(.stage(.looking))
    let found = try await model.see(photo)
    features = found
    return found
  }

  /// The language model, open since the last answer or from now on.
  private func session() async throws -> any LanguageModelSession {
    if let kept { return kept.session }
    let session = try await model.engine.languageModel()
    kept = Kept(session: session, ids: [])
    return session
  }

  private func letGo() async {
    let session = kept?.session
    kept = nil
    await session?.close()
  }
}
