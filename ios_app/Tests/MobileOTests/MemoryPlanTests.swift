import Foundation
import MobileO
import Testing

@Suite struct MemoryPlanTests {
  static let names = ["dit", "llm", "mcp", "vae_decoder", "vision_encoder"]
  /// The released model in float32, in bytes; what runs takes is made up.
  static let published: [String: Footprint] = [
    "llm": Footprint(weights: 670_000_000, activations: 90_000_000, results: 11_000_000),
    "vision_encoder": Footprint(weights: 500_000_000, activations: 400_000_000, results: 3_000_000),
    "mcp": Footprint(weights: 30_000_000, activations: 30_000_000, results: 7_000_000),
    "dit": Footprint(weights: 2_370_000_000, activations: 500_000_000, results: 32768),
    "vae_decoder": Footprint(weights: 640_000_000, activations: 900_000_000, results: 3_145_728),
  ]

  @Test func aPictureInLittleMemoryIsDrawnPartByPart() throws {
    let plan = try MemoryPlan([.draw(guided: true)], Self.published, budget: 2_900_000_000)
    #expect(
      plan.steps == [
        .load("llm"), .run("llm"), .load("mcp"), .run("mcp"), .unload("llm"), .unload("mcp"),
        .load("dit"), .run("dit"), .unload("dit"), .load("vae_decoder"), .run("vae_decoder"),
      ])
    #expect(plan.peak == 2_877_000_000)
    let roomy = try MemoryPlan(
      [.draw(guided: true), .draw(guided: true)], Self.published, budget: 9_000_000_000)
    #expect(roomy.loads == 4 && roomy.loaded.count == 4)
    let dropped = try MemoryPlan(
      [.ask, .chat], Self.published, budget: 9_000_000_000, policy: .drop)
    #expect(
      dropped.steps == [
        .load("vision_encoder"), .run("vision_encoder"), .unload("vision_encoder"), .load("llm"),
        .run("llm"), .run("llm"), .unload("llm"),
      ])
    // With room the transformer stays for the next picture: it is the largest.
    let kept = try MemoryPlan([.draw(guided: true)], Self.published, budget: 4_000_000_000)
    #expect(kept.loaded.contains("dit"))
  }

  @Test func whatDoesNotFitIsRefusedWithBothFigures() throws {
    let error = failure {
      try MemoryPlan([.chat, .draw(guided: false)], Self.published, budget: 2_100_000_000)
    }
    #expect(error?.kind == .memory)
    #expect(error?.description.contains("dit needs 2.9 GB of memory, 2.1 GB are free") == true)
    let least = try MemoryPlan.least(.draw(guided: true), Self.published)
    #expect(least == 2_370_000_000 + 500_000_000 + 7_000_000)
    #expect(try MemoryPlan([.draw(guided: true)], Self.published, budget: least).peak == least)
    #expect(
      failure {
        try MemoryPlan([.draw(guided: true)], Self.published, budget: least - 1)
      }?.kind == .memory)
    let unknown = failure { try MemoryPlan([.chat], [:], budget: .max) }
    #expect(unknown?.kind == .bundle && unknown?.description.contains("llm") == true)
    let endless = Footprint(weights: .max, activations: .max, results: .max)
    let sizes = Dictionary(uniqueKeysWithValues: Self.names.map { ($0, endless) })
    #expect(
      failure { try MemoryPlan([.edit(guided: true)], sizes, budget: 1 << 40) }?.kind == .memory)
  }

  @Test func everyPlanIsSound() throws {
    var random = Philox(seed: 6)
    func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    var (planned, refused) = (0, 0)
    for _ in 0..<4000 {
      let sizes = Dictionary(
        uniqueKeysWithValues: Self.names.map {
          ($0, Footprint(weights: pick(9), activations: pick(5), results: pick(3)))
        })
      let tasks = (0..<1 + pick(4)).map { _ in Self.tasks[pick(Self.tasks.count)] }
      let budget = pick(30)
      let policy = MemoryPlan.Policy.allCases[pick(2)]
      let loaded = Set(Self.names.filter { _ in pick(3) == 0 })
      let needed = try tasks.map { try MemoryPlan.least($0, sizes) }.max() ?? 0
      do {
        let plan = try MemoryPlan(tasks, sizes, budget: budget, policy: policy, loaded: loaded)
        #expect(needed <= budget)
        check(plan, tasks, sizes, budget, policy, loaded)
        planned += 1
      } catch let error as MobileOError {
        #expect(error.kind == .memory && needed > budget)
        #expect(error.description.contains("\(budget) B are free"))
        refused += 1
      }
    }
    #expect(planned > 1000 && refused > 200)
  }

  private static let tasks: [PipelineTask] = [
    .chat, .ask, .draw(guided: false), .draw(guided: true), .edit(guided: false),
    .edit(guided: true),
  ]

  /// Follows a plan as a machine would.
  private func check(
    _ plan: MemoryPlan, _ tasks: [PipelineTask], _ sizes: [String: Footprint], _ budget: Int,
    _ policy: MemoryPlan.Policy, _ before: Set<String>
  ) {
    var (loaded, ran, gone) = (before, [String](), Set<String>())
    func weights() -> Int { loaded.reduce(0) { $0 + (sizes[$1]?.weights ?? 0) } }
    var stages = Self.working(tasks, sizes)[...]
    var peak = weights()
    for step in plan.steps {
      switch step {
      case .load(let name):
        #expect(loaded.insert(name).inserted)
        #expect(weights() <= budget)
        #expect(stages.first?.0 == name, "nothing is loaded before its turn")
      case .unload(let name):
        #expect(loaded.remove(name) != nil)
        #expect(stages.first?.0 != name, "the next step needs \(name)")
        gone.insert(name)
      case .run(let name):
        #expect(loaded.contains(name) && !gone.contains(name))
        let stage = stages.removeFirst()
        #expect(stage.0 == name && weights() + stage.1 <= budget)
        peak = max(peak, weights() + stage.1)
        ran.append(name)
        gone = []
      }
    }
    #expect(ran == tasks.flatMap(\.components))
    #expect(plan.peak == peak)
    #expect(plan.loaded == loaded)
    if policy == .drop { #expect(loaded.isEmpty) }
  }

  /// Components in order, and what each takes beside weights, said once more in other words.
  private static func working(
    _ tasks: [PipelineTask], _ sizes: [String: Footprint]
  ) -> [(String, Int)] {
    tasks.flatMap { task in
      let components = task.components
      let guided = task == .draw(guided: true) || task == .edit(guided: true)
      return components.enumerated().map { place, name in
        let twice = guided && (name == "mcp" || name == "dit")
        let second = twice ? sizes[components[place - 1]]?.results ?? 0 : 0
        return (name, (sizes[name]?.activations ?? 0) + second)
      }
    }
  }

  @Test func noSequenceLoadsLessOften() throws {
    let tasks = Self.tasks.filter { $0 != .draw(guided: false) && $0 != .edit(guided: false) }
    var sequences = tasks.map { [$0] }
    sequences += tasks.flatMap { first in tasks.map { [first, $0] } }
    sequences += tasks.flatMap { first in tasks.map { [first, $0, .chat] } }
    sequences += tasks.flatMap { first in tasks.map { [.draw(guided: true), first, $0] } }
    var compared = 0
    for sizing in 0..<32 {
      for working in 0..<2 {
        let sizes = Dictionary(
          uniqueKeysWithValues: Self.names.enumerated().map {
            ($1, Footprint(weights: 1 + sizing >> $0 & 1, activations: working * ($0 % 2)))
          })
        for budget in 3...8 {
          for sequence in sequences {
            let plan = try MemoryPlan(sequence, sizes, budget: budget)
            let fewest = Self.fewestLoads(Self.working(sequence, sizes), sizes, budget)
            #expect(plan.loads == fewest, "\(sequence) in \(budget): \(sizes)")
            compared += 1
          }
        }
      }
    }
    print("memory: \(compared) sequences of tasks, none can be run with fewer loads")
  }

  @Test func whatIsLoadedBeforeSparesLoads() throws {
    var random = Philox(seed: 9)
    func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    for _ in 0..<1000 {
      let sizes = Dictionary(
        uniqueKeysWithValues: Self.names.map {
          ($0, Footprint(weights: 1 + pick(6), activations: pick(3)))
        })
      let tasks = (0..<1 + pick(3)).map { _ in Self.tasks[pick(Self.tasks.count)] }
      let loaded = Set(Self.names.filter { _ in pick(2) == 0 })
      let budget = 9 + pick(12)
      let plan = try MemoryPlan(tasks, sizes, budget: budget, loaded: loaded)
      let fewest = Self.fewestLoads(Self.working(tasks, sizes), sizes, budget, loaded)
      #expect(plan.loads == fewest)
    }
  }

  /// By trying everything: any component may be loaded or unloaded at any time.
  private static func fewestLoads(
    _ stages: [(String, Int)], _ sizes: [String: Footprint], _ budget: Int,
    _ loaded: Set<String> = []
  ) -> Int? {
    let weights = names.map { sizes[$0]?.weights ?? 0 }
    let sums = (0..<32).map { set in (0..<5).reduce(0) { $0 + (set >> $1 & 1) * weights[$1] } }
    let turns = stages.map { (names.firstIndex(of: $0.0) ?? 0, $0.1) }
    var seen = [Bool](repeating: false, count: 32 * (stages.count + 1))
    // By how many loads it took to come there.
    var now = [names.indices.reduce(0) { loaded.contains(names[$1]) ? $0 | 1 << $1 : $0 }]
    var then: [Int] = []
    var loads = 0
    while true {
      while let state = now.popLast() {
        if seen[state] { continue }
        seen[state] = true
        let (place, set) = (state / 32, state % 32)
        if place == turns.count { return loads }
        let (own, working) = turns[place]
        if set >> own & 1 == 1, sums[set] + working <= budget { now.append(state + 32) }
        for other in 0..<5 {
          if set >> other & 1 == 1 {
            now.append(state - 1 << other)
          } else if sums[set | 1 << other] <= budget {
            then.append(state + 1 << other)
          }
        }
      }
      if then.isEmpty { return nil }
      (now, then) = (then, [])
      loads += 1
    }
  }

  @Test(.enabled(if: Goldens.bundle != nil, Goldens.noBundle))
  func sizesAreThoseOfTheManifest() throws {
    let bundle = try #require(Goldens.bundle)
    let manifest = try Manifest(folder: bundle)
    let found = Footprint.of(manifest, activations: ["dit": 1000])
    #expect(found.keys.sorted() == Self.names)
    for (name, component) in manifest.components {
      let folder = bundle + "/" + (component.artifacts.first?.path ?? "")
      let sizes = try Files.everything(below: folder).map { path in
        if case .file(let size) = Files.kind(folder + "/" + path) { size } else { 0 }
      }
      // What a package stores in fewer bits than it computes with may be widened as it is loaded.
      let stored = Double(sizes.reduce(0, +))
      let bits = component.artifacts.first?.storedBits
      #expect((bits == nil) == (name == "llm"), "\(name)")
      let widened = bits.map { (stored * 32 / $0).rounded(.up) } ?? stored
      #expect(found[name]?.weights == Int(widened), "\(name)")
    }
    // 8 × 8 × 8 numbers in, 1 timestep, 768 × 192 of conditioning, its mask, 8 × 8 × 8 out.
    let crossing = 4 * (512 + 1 + 768 * 192 + 768 + 512)
    #expect(found["dit"]?.activations == crossing + 1000 && found["dit"]?.results == 4 * 512)
  }

  /// MLX multiplies with what is stored: nothing is widened as it is loaded.
  @Test(.enabled(if: Goldens.bundle != nil, Goldens.noBundle))
  func weightsForMLXStayNarrow() throws {
    let bundle = try #require(Goldens.bundle)
    let content = try Files.json(bundle + "/manifest.json").replacing("components") { components in
      components.replacingEach { _, component in
        component.replacing("artifacts") { artifacts in
          .array((artifacts.array ?? []).map { $0.replacing("kind") { _ in "mlx" } })
        }
      }
    }
    let manifest = try Manifest(bytes: Array(content.text.utf8), path: "manifest.json")
    for (name, footprint) in Footprint.of(manifest) {
      let path = manifest.components[name]?.onDevice?.path ?? ""
      let files = manifest.files.filter { $0.path.hasPrefix(path + "/") }
      #expect(footprint.weights == files.reduce(0) { $0 + $1.size }, "\(name)")
    }
    #expect(manifest.components["dit"]?.onDevice?.storedBits != nil)
  }

  @Test func amountsAreReadable() {
    let texts = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_900_000_000, "2.9 GB")]
    for (count, text) in texts { #expect(bytesText(count) == text) }
    #expect(bytesText(.max).hasSuffix(" GB"))
  }
}

extension MemoryPlan {
  /// How often something is loaded.
  var loads: Int {
    steps.count { step in if case .load = step { true } else { false } }
  }
}
