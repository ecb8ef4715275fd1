extension MemoryPlan {
  /// The best choice of what stays, at every stage and for whatever is loaded when it comes.
  ///
  /// Worked out from the last stage to the first over all sets of components. Loading early gains
  /// nothing, so a component is loaded when its turn comes.
  struct Search {
    private let names: [String]
    private let sizes: [Int]
    /// By stage, then by the set of what is loaded: the set of what stays.
    private var choices: [[Int]] = []

    /// Compared in this order.
    private struct Cost: Comparable {
      var loads = 0
      var bytes = 0
      /// The same of what comes then.
      var laterLoads = 0
      var laterBytes = 0
      /// Loaded at the end.
      var left = 0

      static func < (one: Cost, other: Cost) -> Bool {
        (one.loads, one.bytes, one.laterLoads, one.laterBytes, other.left)
          < (other.loads, other.bytes, other.laterLoads, other.laterBytes, one.left)
      }
    }

    init(
      _ stages: [Stage], then: [Stage], _ footprints: [String: Footprint], budget: Int,
      policy: Policy, _ loaded: Set<String>
    ) throws {
      let names = loaded.union((stages + then).map(\.component)).sorted()
      let sizes = try names.map { name in
        guard let footprint = footprints[name] else { throw unknown(name) }
        return footprint.weights
      }
      (self.names, self.sizes) = (names, sizes)
      guard names.count <= 12 else {
        throw MobileOError(.usage, "\(names.count) components: a plan is made of 12 at most")
      }
      let sums = (0..<1 << names.count).map { set in
        names.indices.reduce(0) { set >> $1 & 1 == 1 ? $0.plus(sizes[$1]) : $0 }
      }
      let all = policy == .keep ? stages + then : stages
      let own = all.map { 1 << (names.firstIndex(of: $0.component) ?? 0) }
      let needs = zip(all, own).map { (stage: $0, bytes: sums[$1].plus($0.working)) }
      if let worst = needs.max(by: { $0.bytes < $1.bytes }), worst.bytes > budget {
        throw shortage(worst.stage.component, needed: worst.bytes, free: budget)
      }
      var costs = sums.map { Cost(left: $0) }
      for (place, stage) in all.enumerated().reversed() {
        var (best, choice) = (costs, [Int](repeating: 0, count: sums.count))
        for present in sums.indices {
          let isNew = present & own[place] == 0
          var found: Cost?
          // Every set of what is there and this component, the fullest first.
          let most = policy == .keep ? present | own[place] : own[place]
          var stays = most
          while true {
            if stays & own[place] != 0, sums[stays].plus(stage.working) <= budget {
              var cost = costs[stays]
              if isNew, place < stages.count {
                cost.loads += 1
                cost.bytes = cost.bytes.plus(sums[own[place]])
              } else if isNew {
                cost.laterLoads += 1
                cost.laterBytes = cost.laterBytes.plus(sums[own[place]])
              }
              if found.map({ cost < $0 }) ?? true { (found, choice[present]) = (cost, stays) }
            }
            if stays == 0 { break }
            stays = (stays - 1) & most
          }
          best[present] = found ?? best[present]
        }
        costs = best
        choices.append(choice)
      }
      choices.reverse()
    }

    /// What is loaded while the stage at `place` runs, where `present` is loaded before.
    func choice(_ place: Int, _ present: Set<String>) -> Set<String> {
      let set = names.indices.reduce(0) { present.contains(names[$1]) ? $0 | 1 << $1 : $0 }
      let stays = choices[place][set]
      return Set(names.indices.filter { stays >> $0 & 1 == 1 }.map { names[$0] })
    }

    /// Bytes of all of these.
    func weights(_ present: Set<String>) -> Int {
      names.indices.reduce(0) { present.contains(names[$1]) ? $0.plus(sizes[$1]) : $0 }
    }
  }
}
