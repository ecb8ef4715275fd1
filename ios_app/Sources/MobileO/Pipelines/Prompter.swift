/// A prompt, as the language model takes it.
public struct Prompt: Sendable, Equatable {
  /// Token ids, [T].
  public let ids: [Int]
  /// How many tokens of the user's text, or of the conversation, did not fit.
  public let cut: Int

  /// [1, T] int32, as the language model takes them.
  public var tensor: Tensor { Tensor(shape: [1, ids.count], .int32(ids.map { Int32($0) })) }
}

/// The prompts of the four tasks, as the recipe has them.
///
/// A prompt that is too long loses the end of the user's text, never the template that closes it:
/// without the open assistant turn the model does not know that it is to answer.
public struct Prompter: Sendable {
  private let tokenizer: Tokenizer
  private let prompts: Recipe.Prompts

  /// Prompts of `recipe`'s texts in `tokenizer`'s tokens.
  public init(_ tokenizer: Tokenizer, _ recipe: Recipe) {
    self.tokenizer = tokenizer
    prompts = recipe.prompts
  }

  /// The prompt that draws `caption`, at most `limit` tokens.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: the caption is empty, or there is no room for any of
  ///   it; so do the others.
  public func generate(_ caption: String, limit: Int) throws -> Prompt {
    try turn("the caption", "", prompts.generatePrefix, caption, limit)
  }

  /// The prompt that edits a picture; its one image token stands for `imageTokens`.
  public func edit(_ instruction: String, limit: Int, imageTokens: Int) throws -> Prompt {
    try turn(
      "the instruction", prompts.imagePrefix, prompts.editPrefix, instruction,
      limit - imageTokens + 1)
  }

  /// The prompt that asks about a picture.
  public func ask(_ question: String, limit: Int, imageTokens: Int) throws -> Prompt {
    try ask([question], limit: limit, imageTokens: imageTokens)
  }

  /// The prompt that goes on asking about a picture: question, answer, question, …, question.
  ///
  /// The picture stands before the first question that is left. Where they do not fit, the oldest
  /// exchanges are left out, then the end of the last question.
  public func ask(_ turns: [String], limit: Int, imageTokens: Int) throws -> Prompt {
    try talk("the question", prompts.imagePrefix, turns, limit - imageTokens + 1)
  }

  /// A conversation: user, assistant, user, …, user.
  ///
  /// The oldest exchanges are left out where they do not fit, then the end of the last text.
  public func chat(_ turns: [String], limit: Int) throws -> Prompt {
    try talk("the message", "", turns, limit)
  }

  private func talk(_ what: String, _ image: String, _ turns: [String], _ limit: Int) throws
    -> Prompt
  {
    guard let last = turns.last, turns.count % 2 == 1 else {
      throw MobileOError(
        .usage, "a conversation of \(turns.count) texts: end it with what the user says")
    }
    let whole = tokenizer.encode(conversation(image, turns[...])).count
    for start in stride(from: 0, to: turns.count, by: 2) {
      let ids = tokenizer.encode(conversation(image, turns[start...]))
      if ids.count <= limit, !last.isBlank { return Prompt(ids: ids, cut: whole - ids.count) }
    }
    let shortened = try turn(what, image, "", last, limit)
    return Prompt(ids: shortened.ids, cut: whole - shortened.ids.count)
  }

  private func conversation(_ image: String, _ turns: ArraySlice<String>) -> [Tokenizer.Part] {
    guard let first = turns.first else { return [] }
    var parts = around(opening, [.recipe(image), .user(first)])
    var rest = turns.dropFirst()
    while let answer = rest.popFirst(), let question = rest.popFirst() {
      parts.append(.user(answer))
      parts += around(prompts.nextTurn, [.user(question)])
    }
    return parts
  }

  private func turn(
    _ what: String, _ image: String, _ prefix: String, _ text: String, _ limit: Int
  ) throws -> Prompt {
    try Self.checkWords(what, text)
    let opening = opening
    func encode(_ text: String?) -> [Int] {
      let written: [Tokenizer.Part] = [.recipe(image), .recipe(prefix)]
      return tokenizer.encode(around(opening, written + (text.map { [.user($0)] } ?? [])))
    }
    let ids = encode(text)
    if ids.count <= limit { return Prompt(ids: ids, cut: 0) }
    let bare = encode(nil).count
    if bare >= limit {
      throw MobileOError(
        .usage,
        "\(what) has no room: the template takes \(bare) of \(limit) tokens; this model takes longer "
          + "prompts than that only if exported anew")
    }
    let scalars = text.unicodeScalars
    func beginning(_ count: Int) -> String {
      String(String.UnicodeScalarView(scalars.prefix(count)))
    }
    var (low, high) = (0, scalars.count)
    while low < high {  // the longest beginning that fits
      let middle = (low + high + 1) / 2
      if encode(beginning(middle)).count <= limit { low = middle } else { high = middle - 1 }
    }
    let shortened = encode(beginning(low))
    return Prompt(ids: shortened, cut: ids.count - shortened.count)
  }

  /// - Throws: ``MobileOError`` of kind `usage`: there is nothing but space in a text, which `what` names.
  package static func checkWords(_ what: String, _ text: String) throws {
    if text.isBlank {
      throw MobileOError(.usage, "\(what) is empty; say in words what you want")
    }
  }

  private var opening: String {
    Self.replacing("{system}", in: prompts.template, by: prompts.system)
  }

  private func around(_ template: String, _ user: [Tokenizer.Part]) -> [Tokenizer.Part] {
    let (before, after) = Self.parted(template, at: "{user}")
    return [.recipe(before)] + user + [.recipe(after ?? "")]
  }

  private static func replacing(_ mark: String, in text: String, by other: String) -> String {
    let (before, after) = parted(text, at: mark)
    return after.map { before + other + replacing(mark, in: $0, by: other) } ?? before
  }

  /// What stands before the first `mark` and behind it, found byte for byte.
  private static func parted(_ text: String, at mark: String) -> (String, String?) {
    let (bytes, mark) = (Array(text.utf8), Array(mark.utf8))
    guard bytes.count >= mark.count,
      let place = (0...bytes.count - mark.count).first(where: {
        bytes[$0..<$0 + mark.count].elementsEqual(mark)
      })
    else { return (text, nil) }
    return (
      String(decoding: bytes[..<place], as: UTF8.self),
      String(decoding: bytes[(place + mark.count)...], as: UTF8.self)
    )
  }
}

/// Where image features go in a prompt: the one rule that every language-model session follows.
public enum Splice {
  /// The positions of `ids` that the `tokens` image features replace.
  ///
  /// Either one image token stands for all features (the sequence grows to T − 1 + M), or M image
  /// tokens in a row stand for one each (the length stays T).
  ///
  /// - Throws: ``MobileOError`` of kind `session`: the prompt holds no image token, a wrong number, or
  ///   scattered ones.
  public static func span(_ ids: [Int], imageToken: Int, tokens: Int) throws -> Range<Int> {
    let places = ids.indices.filter { ids[$0] == imageToken }
    guard let first = places.first, let last = places.last,
      places.count == 1 || places.count == tokens
    else {
      throw MobileOError(
        .session,
        "the prompt holds \(places.count) image tokens (id \(imageToken)), but its picture needs "
          + "exactly one, or \(tokens) in a row")
    }
    if last - first + 1 != places.count {
      throw MobileOError(
        .session,
        "the \(places.count) image tokens (id \(imageToken)) are not consecutive; put them in a row, "
          + "or give exactly one")
    }
    return first..<last + 1
  }
}

extension StringProtocol {
  /// Whether nothing but what Python calls space is in it.
  package var isBlank: Bool { unicodeScalars.allSatisfy(\.isSpace) }
}

extension Unicode.Scalar {
  /// Whether Python calls it space.
  package var isSpace: Bool {
    switch value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F,
      0x205F, 0x3000:
      true
    default: false
    }
  }
}
