import MobileO

/// The keys and values of what was read, [L, 1, H, P, D] each, and what a call is given of them.
///
/// A value: a call that fails leaves what was there. Sizes and masks are those of
/// mobileo_export/runtimes/cached_decoder.py.
struct AssetCache: Sendable {
  /// Added to a score that must not count: far below any other.
  static let masked: Float = -30000
  /// Of keys and values, which room is made for at a time.
  private static let block = 256

  private let plan: AssetLanguageModelPlan
  /// How many positions were read.
  private(set) var used = 0
  /// P: an empty one where nothing was read yet.
  private var slots = 1
  private var keys: [Float]
  private var values: [Float]

  /// Nothing was read yet.
  init(_ plan: AssetLanguageModelPlan) {
    self.plan = plan
    keys = [Float](repeating: 0, count: plan.layers * plan.heads * plan.headWidth)
    values = keys
  }

  /// What the decoder takes with `embeddings` [1, T, d], by name.
  func inputs(_ embeddings: [Float], length: Int) -> [String: Tensor] {
    let cache = [plan.layers, 1, plan.heads, slots, plan.headWidth]
    var attention = [Float](repeating: 0, count: length * length)
    for row in 0..<length {
      for place in row * length + row + 1..<(row + 1) * length { attention[place] = Self.masked }
    }
    let past = (0..<slots).map { $0 < used ? 0 : Self.masked }
    return [
      "hidden_states": Tensor(shape: [1, length, plan.width], .float32(embeddings)),
      "position_ids": Tensor(shape: [1, length], .int32((used..<used + length).map(Int32.init))),
      "attention_mask": Tensor(shape: [1, 1, length, length], .float32(attention)),
      "past_mask": Tensor(shape: [1, 1, 1, slots], .float32(past)),
      "past_keys": Tensor(shape: cache, .float32(keys)),
      "past_values": Tensor(shape: cache, .float32(values)),
    ]
  }

  /// Keeps the keys and values [L, 1, H, T, D] of `length` more positions.
  mutating func keep(_ newKeys: [Float], _ newValues: [Float], length: Int) {
    makeRoom(used + length)
    let (row, new) = (slots * plan.headWidth, length * plan.headWidth)
    for index in 0..<plan.layers * plan.heads {
      let place = index * row + used * plan.headWidth
      let from = index * new..<(index + 1) * new
      keys.replaceSubrange(place..<place + new, with: newKeys[from])
      values.replaceSubrange(place..<place + new, with: newValues[from])
    }
    used += length
  }

  /// A block of slots at a time: every call is given all that there are.
  private mutating func makeRoom(_ positions: Int) {
    if used > 0, slots >= positions { return }
    let grown = min(plan.longest, (positions + Self.block - 1) / Self.block * Self.block)
    keys = moved(keys, to: grown)
    values = moved(values, to: grown)
    slots = grown
  }

  private func moved(_ old: [Float], to grown: Int) -> [Float] {
    let (row, kept) = (slots * plan.headWidth, used * plan.headWidth)
    let empty = [Float](repeating: 0, count: grown * plan.headWidth - kept)
    var found: [Float] = []
    found.reserveCapacity(plan.layers * plan.heads * grown * plan.headWidth)
    for index in 0..<plan.layers * plan.heads {
      found += old[index * row..<index * row + kept]
      found += empty
    }
    return found
  }
}
