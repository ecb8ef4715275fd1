/// The merges of a byte-level BPE, and what they make of a word.
struct BytePairs: Sendable {
  private static let few = 40

  private struct Merge {
    var key = UInt64.max
    var rank: Int32 = 0
    var result: Int32 = 0
  }

  private var merges: [Merge]
  private var count = 0
  /// By byte: the id that it begins as.
  let bytes: [Int32]

  /// Room for `capacity` merges.
  init(bytes: [Int32], capacity: Int) {
    var size = 1024
    while size < capacity * 3 / 2 { size *= 2 }
    merges = [Merge](repeating: Merge(), count: size)
    self.bytes = bytes
  }

  /// Adds the next merge, of at most `capacity`; of a pair that comes twice the later rank counts, as
  /// in the library.
  mutating func add(_ left: Int, _ right: Int, makes result: Int) {
    let key = UInt64(left) << 32 | UInt64(right)
    merges[slot(key)] = Merge(key: key, rank: Int32(count), result: Int32(result))
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
            let own = merges[Int(places[index])].rank
            if own < rank { (best, rank) = (index, own) }
          }
          if best < 0 { break }
          symbols[best] = merges[Int(places[best])].result
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
        let merge = merges[Int(place)]
        heap.push(.init(rank: merge.rank, left: Int32(left), result: merge.result))
      }
    }
    for index in symbols.indices { offer(index) }
    while let pair = heap.pop() {
      let left = Int(pair.left)
      guard symbols[left] >= 0, next[left] < symbols.count else { continue }
      let right = next[left]
      let place = find(symbols[left], symbols[right])
      guard place >= 0, merges[Int(place)].rank == pair.rank else { continue }
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
    return merges[place].key == key ? Int32(place) : -1
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    let mask = merges.count - 1
    var place = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
    while merges[place].key != key, merges[place].key != .max { place = (place + 1) & mask }
    return place
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
