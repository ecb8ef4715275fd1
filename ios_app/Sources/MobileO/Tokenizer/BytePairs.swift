/// The merges of a byte-level BPE, and what they make of a word.
struct BytePairs: Sendable {
  private static let few = 40

  private var keys: [UInt64]
  private var ranks: [Int32]
  private var results: [Int32]
  private(set) var count = 0
  /// By byte: the id that it begins as.
  let bytes: [Int32]

  /// Room for `capacity` merges.
  init(bytes: [Int32], capacity: Int) {
    var size = 1024
    while size < capacity * 2 { size *= 2 }
    keys = [UInt64](repeating: .max, count: size)
    ranks = [Int32](repeating: 0, count: size)
    results = [Int32](repeating: 0, count: size)
    self.bytes = bytes
  }

  /// Adds the next merge; of a pair that comes twice the later rank counts, as in the library.
  mutating func add(_ left: Int, _ right: Int, makes result: Int) {
    if count * 2 >= keys.count { grow() }
    let key = UInt64(left) << 32 | UInt64(right)
    let place = slot(key)
    keys[place] = key
    ranks[place] = Int32(count)
    results[place] = Int32(result)
    count += 1
  }

  /// Appends the tokens of one word: again and again the pair of the lowest rank becomes one, the
  /// leftmost of equals first.
  func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    if word.count == 1 { return ids.append(bytes[Int(word[0])]) }
    if word.count > Self.few { return encodeLong(word, into: &ids) }
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: word.count) { symbols in
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: word.count) { places in
        var count = word.count
        for index in 0..<count { symbols[index] = bytes[Int(word[index])] }
        for index in 0..<count - 1 { places[index] = find(symbols[index], symbols[index + 1]) }
        while count > 1 {
          var (best, rank) = (-1, Int32.max)
          for index in 0..<count - 1 where places[index] >= 0 {
            let own = ranks[Int(places[index])]
            if own < rank { (best, rank) = (index, own) }
          }
          if best < 0 { break }
          symbols[best] = results[Int(places[best])]
          count -= 1
          for index in best + 1..<max(count, best + 1) {
            symbols[index] = symbols[index + 1]
            if index < count - 1 { places[index] = places[index + 1] }
          }
          if best > 0 { places[best - 1] = find(symbols[best - 1], symbols[best]) }
          if best + 1 < count { places[best] = find(symbols[best], symbols[best + 1]) }
        }
        for index in 0..<count { ids.append(symbols[index]) }
      }
    }
  }

  /// The same for words of any length, with a heap of pairs: n·log n.
  private func encodeLong(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    var symbols = word.map { bytes[Int($0)] }
    var next = Array(1...word.count)
    var previous = Array(-1..<word.count - 1)
    var heap = PairHeap()
    func offer(_ left: Int) {
      guard left >= 0, next[left] < symbols.count else { return }
      let place = find(symbols[left], symbols[next[left]])
      if place >= 0 {
        heap.push(.init(rank: ranks[Int(place)], left: Int32(left), result: results[Int(place)]))
      }
    }
    for index in symbols.indices { offer(index) }
    while let pair = heap.pop() {
      let left = Int(pair.left)
      guard symbols[left] >= 0, next[left] < symbols.count else { continue }
      let right = next[left]
      let place = find(symbols[left], symbols[right])
      guard place >= 0, results[Int(place)] == pair.result, ranks[Int(place)] == pair.rank else {
        continue
      }
      symbols[left] = pair.result
      symbols[right] = -1
      next[left] = next[right]
      if next[left] < symbols.count { previous[next[left]] = left }
      offer(previous[left])
      offer(left)
    }
    for symbol in symbols where symbol >= 0 { ids.append(symbol) }
  }

  @inline(__always)
  private func find(_ left: Int32, _ right: Int32) -> Int32 {
    let key = UInt64(UInt32(left)) << 32 | UInt64(UInt32(right))
    let place = slot(key)
    return keys[place] == key ? Int32(place) : -1
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    let mask = keys.count - 1
    var place = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
    while keys[place] != key, keys[place] != .max { place = (place + 1) & mask }
    return place
  }

  private mutating func grow() {
    let (oldKeys, oldRanks, oldResults) = (keys, ranks, results)
    keys = [UInt64](repeating: .max, count: oldKeys.count * 2)
    ranks = [Int32](repeating: 0, count: keys.count)
    results = [Int32](repeating: 0, count: keys.count)
    for (index, key) in oldKeys.enumerated() where key != .max {
      let place = slot(key)
      (keys[place], ranks[place], results[place]) = (key, oldRanks[index], oldResults[index])
    }
  }
}

/// Pairs by rank, then from the left.
private struct PairHeap {
  struct Pair {
    let rank: Int32
    let left: Int32
    let result: Int32

    func precedes(_ other: Pair) -> Bool {
      rank < other.rank || (rank == other.rank && left < other.left)
    }
  }

  private var pairs: [Pair] = []

  mutating func push(_ pair: Pair) {
    pairs.append(pair)
    var index = pairs.count - 1
    while index > 0, pairs[index].precedes(pairs[(index - 1) / 2]) {
      pairs.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func pop() -> Pair? {
    guard let first = pairs.first, let last = pairs.popLast() else { return nil }
    if pairs.isEmpty { return first }
    pairs[0] = last
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2] where child < pairs.count {
        if pairs[child].precedes(pairs[least]) { least = child }
      }
      if least == index { return first }
      pairs.swapAt(index, least)
      index = least
    }
  }
}
