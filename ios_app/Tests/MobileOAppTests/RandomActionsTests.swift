import Foundation
import MobileO
import MobileOApp
import Testing

/// What a user may do in any order, at any moment.
@MainActor @Suite struct RandomActionsTests {
  private static let sequences = 500
  private static let actions = 24

  @Test func noSequenceEndsInAnImpossibleState() async throws {
    var ends: [String: Int] = [:]
    let table = try await Workbench()
    for number in 0..<Self.sequences {
      let user = try User(seed: UInt64(number), table)
      for _ in 0..<Self.actions {
        await user.act()
        user.check()
      }
      try await user.finish()
      for (end, count) in user.ends { ends[end, default: 0] += count }
    }
    // All of it happened; how often depends on the machine.
    for end in ["answer", "picture", "stopped", "failed", "pending", "deleted", "refused", "kept"] {
      #expect(ends[end, default: 0] > 0, "\(end): \(ends)")
    }
    print("random actions: \(ends.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" })")
  }
}

@MainActor private final class User {
  private let seed: UInt64
  private var chance: Philox
  private let table: Workbench
  private let memory = MemoryDisk()
  private let library: Library
  private var models: [ConversationModel]
  private var tasks: [Task<Void, Never>] = []
  private var isActive = true
  private var done: [String] = []
  var ends: [String: Int] = [:]
  private let beganAway = Box(0)
  private var leavings = 0

  init(seed: UInt64, _ table: Workbench) throws {
    self.seed = seed
    self.table = table
    chance = Philox(seed: seed)
    library = try Library(folder: Talk.folder, disk: memory.disk)
    let (studio, library) = (table.studio, library)
    models = (0..<2).map { _ in ConversationModel(studio: studio, library: library) }
    let (gate, beganAway) = (table.gate, beganAway)
    let (fails, first) = (seed % 3 == 0, table.engine.calls.count)
    table.engine.onCall { call, number in
      if gate.closed == .away, !call.hasPrefix("close") { beganAway.value += 1 }
      if fails, (number - first) % 37 == 36, !call.hasPrefix("close") {
        throw MobileOError(.session, "the toy failed")
      }
    }
  }

  private func below(_ count: Int) -> Int { Int(chance.next() % UInt64(count)) }

  func act() async {
    let model = models[below(2)]
    let action = below(18)
    done.append("\(action)")
    switch action {
    case 0: model.composer.intent = Intent.allCases[below(4)]
    case 1: model.composer.text = ["", "a red circle", "hello", " "][below(4)]
    case 2: tasks.append(Task { await model.attach(ToyBundle.picture) })
    case 3: model.composer.picture = nil
    case 4: model.composer.seedText = ["", "7", "x"][below(3)]
    case 5: model.composer.steps = [0, 1, 3, 4][below(4)]
    case 6, 7, 8, 9:  // what a user does most: something valid
      model.composer.intent = Intent.allCases[below(4)]
      model.composer.text = "a red circle"
      (model.composer.seedText, model.composer.steps) = ("", 3)
      if model.composer.intent.takesPicture {
        await model.attach(ToyBundle.picture)
      } else {
        model.composer.picture = nil
      }
      tasks.append(Task { await model.send() })
    case 10: tasks.append(Task { await model.send() })
    case 11: model.stop()
    case 12:
      isActive.toggle()
      if !isActive { leavings += 1 }
      table.studio.sceneChanged(isActive: isActive)
    case 13:
      if let turn = model.conversation.turns.randomElement(using: &chance) {
        tasks.append(Task { await model.makeAgain(turn.id) })
      }
    case 14: tasks.last?.cancel()
    case 15:
      if below(3) == 0, library.conversation(model.conversation.id) != nil {
        ends["deleted", default: 0] += 1
        #expect(throws: Never.self) { try library.delete(model.conversation.id) }
      }
    case 16:
      table.studio.clear()
      #expect(throws: Never.self) { try library.rename(model.conversation.id, to: "name") }
    case 17: tasks.append(Task { await table.studio.memoryWarning() })
    default: break
    }
    if below(3) == 0, !isActive {
      isActive = true
      table.studio.sceneChanged(isActive: true)
    }
    for _ in 0..<below(60) { await Task.yield() }
  }

  /// What has to hold at any moment.
  func check() {
    let state = table.studio.state
    let running = models.filter { $0.running != nil }
    if state.isBusy { #expect(running.count >= 1, "\(story)") }
    #expect(table.engine.mostOpen <= 1, "two runs at a time: \(story)")
    for model in models {
      if let id = model.running {
        let turn = model.conversation.turns.first { $0.id == id }
        #expect(turn == nil || turn?.reply == nil, "\(story)")
      }
      let shown = library.conversation(model.conversation.id)
      #expect(shown == nil || shown == model.conversation, "\(story)")
      if model.composer.problem == nil {
        #expect(
          throws: Never.self, "\(story)",
          performing: { try model.composer.request(bundle: "b", chance: 1) })
      }
      if model.notice?.isEmpty == true { Issue.record("an empty notice: \(story)") }
    }
    if let progress = state.progress { #expect(progress.step <= max(progress.steps, 0)) }
  }

  /// Everything comes to its end, and the disk knows what is shown.
  func finish() async throws {
    if models.contains(where: { $0.running != nil }) { ends["pending", default: 0] += 1 }
    if below(2) == 0 { table.studio.stop() }
    for task in tasks { await task.value }
    check()
    if table.engine.open > 0 { ends["kept", default: 0] += 1 }
    await table.studio.memoryWarning()
    #expect(!table.studio.state.isBusy && table.engine.open == 0, "\(story)")
    #expect(models.allSatisfy { $0.running == nil && $0.progress == nil }, "\(story)")
    // A call that passed the gate just before may be seen just after.
    #expect(beganAway.value <= leavings, "calls began in the background: \(story)")
    #expect(table.memory.content.isEmpty, "the beacon is out: \(story)")
    let reopened = try Library(folder: Talk.folder, disk: memory.disk)
    #expect(reopened.conversations == library.conversations, "\(story)")
    #expect(reopened.strays == library.strays && reopened.problems.isEmpty, "\(story)")
    for conversation in reopened.conversations {
      for name in conversation.pictures {
        #expect(throws: Never.self, "\(story)", performing: { try reopened.picture(name) })
      }
      for turn in conversation.turns {
        switch turn.reply {
        case nil: Issue.record("a turn without a reply: \(story)")
        case .answer(_, let end, _): count(end == .stopped ? "stopped" : "answer")
        case .picture(_, let stoppedAfter, _): count(stoppedAfter == nil ? "picture" : "stopped")
        case .failed: count("failed")
        }
      }
    }
    for model in models where model.notice != nil { count("refused") }
    // And it still works.
    table.studio.sceneChanged(isActive: true)
    table.engine.onCall(nil)
    let last = ConversationModel(studio: table.studio, library: library)
    last.composer.text = "hello"
    await last.send()
    guard case .answer(_, .stop, _) = last.conversation.turns.first?.reply else {
      Issue.record("nothing goes any more: \(story)")
      return
    }
  }

  private func count(_ end: String) { ends[end, default: 0] += 1 }

  private var story: String { "sequence \(seed): \(done.joined(separator: " "))" }
}

extension Philox: RandomNumberGenerator {}
