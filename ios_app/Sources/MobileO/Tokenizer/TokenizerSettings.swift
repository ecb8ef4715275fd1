import Foundation

/// What the files beside the vocabulary say: added tokens, which of them are special, and settings
/// that have one value here.
struct TokenizerSettings {
  /// An added token as one file has it; without flags where the file gives none.
  struct Declared {
    let text: String
    let id: Int
    let flags: (special: Bool, normalized: Bool)?
    let path: String
  }

  /// The tokens that the recipe's prompts place.
  private static let placed = ["<image>", "<|im_start|>", "<|im_end|>"]
  private static let classes: [JSONValue] = [
    .null, "Qwen2Tokenizer", "Qwen2TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend",
  ]
  private static let never = [
    "add_prefix_space", "add_bos_token", "add_eos_token", "split_special_tokens",
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", "fix_mistral_regex",
  ]

  let added: [Declared]
  let special: Set<Exact>

  init(folder: String) throws {
    var added: [Declared] = []
    let own = folder + "/added_tokens.json"
    if Files.target(own) != .missing {
      for (text, id) in try Files.json(own).object?.members ?? [] {
        added.append(try Self.declared(text, id.integer, nil, own))
      }
    }
    let path = folder + "/" + TokenizerFile.config
    let config = try Files.json(path)
    for (id, entry) in config["added_tokens_decoder"]?.object?.members ?? [] {
      added.append(try Self.declared(entry["content"]?.string, Int(id), entry, path))
    }
    try Self.check(config, path)
    let mapped = folder + "/special_tokens_map.json"
    let map = Files.target(mapped) == .missing ? JSONValue.null : try Files.json(mapped)
    self.added = added
    special = Set((Self.placed + Self.named(config) + Self.named(map)).map { Exact($0) })
  }

  /// A token with its flags, of which those that would change where it is found are refused.
  static func declared(
    _ text: String?, _ id: Int?, _ entry: JSONValue?, _ path: String
  ) throws -> Declared {
    guard let text, !text.isEmpty, let id, (0...Vocabulary.largestID).contains(id) else {
      throw JSONReader.Problem(reason: "an added token has no content or no id")
    }
    guard let entry else { return Declared(text: text, id: id, flags: nil, path: path) }
    let plain = Array(text.utf8)
    let moves = entry["normalized"] == true && Normalization.nfc(plain) != plain
    for flag in ["single_word", "lstrip", "rstrip", "normalized"]
    where entry[flag] == true && (flag != "normalized" || moves) {
      throw MobileOError(
        .tokenizer,
        "\(path): added token '\(text)' has \(flag) set, which this release does not do; use the "
          + "tokenizer.json of the released checkpoint")
    }
    let flags = (entry["special"] == true, entry["normalized"] == true)
    return Declared(text: text, id: id, flags: flags, path: path)
  }

  /// Settings of which only one value makes the tokens that Mobile-O was trained with.
  private static func check(_ config: JSONValue, _ path: String) throws {
    var wrong = never.first { config[$0] == true }
    if let errors = config["errors"], errors != .null, errors != "replace" { wrong = "errors" }
    if !classes.contains(config["tokenizer_class"] ?? .null) { wrong = "tokenizer_class" }
    if let wrong {
      throw MobileOError(
        .tokenizer,
        "\(path): \(wrong) is \(config[wrong]?.text ?? ""), which this release does not do; copy the "
          + "tokenizer files of the released checkpoint")
    }
  }

  /// Texts of the tokens that a file names as special.
  private static func named(_ content: JSONValue) -> [String] {
    let lists = ["additional_special_tokens", "extra_special_tokens"]
    return (content.object?.members ?? []).flatMap { key, value -> [String] in
      if key.hasSuffix("_token") { return [text(value)].compactMap(\.self) }
      guard lists.contains(key) || key == "model_specific_special_tokens" else { return [] }
      let items = value.array ?? value.object?.members.map(\.value) ?? []
      return items.compactMap(text)
    }
  }

  private static func text(_ value: JSONValue) -> String? {
    value.string ?? value["content"]?.string
  }
}
