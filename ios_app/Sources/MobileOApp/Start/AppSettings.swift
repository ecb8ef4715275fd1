import Foundation
import MobileO

/// What the user chose for good, in a JSON file.
///
/// ``Studio`` follows ``longestAnswer``, and ``ConversationModel`` ``isSeedLocked``; the rest is for who
/// makes the engine.
///
/// A value that this release cannot take is left at its default and named; what it does not know, as a
/// later release writes it, is kept and written back.
public struct AppSettings: Sendable, Equatable {
  /// What Core ML may use.
  public typealias ComputeUnits = CoreMLUnits

  /// The components that Core ML runs.
  public static let components = ["vision_encoder", "mcp", "dit", "vae_decoder"]
  /// How many tokens an answer may have at least and at most, whatever the bundle allows.
  public static let answerLengths = 1...4096

  /// By component, where it is not what the manifest says.
  public var computeUnits: [String: ComputeUnits] = [:]
  /// What becomes of a component that has run.
  public var memory = MemoryPlan.Policy.keep
  /// Whether products of the language model may be computed with reduced precision where that is
  /// faster; self-test and replay never do.
  public var allowsReducedPrecision = false
  /// What Core AI may run on, of a bundle for it; nil refuses such a bundle.
  public var coreAI: CoreAIUnits?
  /// The longest answer in tokens; nil is the recipe's.
  public var longestAnswer: Int?
  /// Whether a seed stays for the next picture.
  public var isSeedLocked = false

  /// What the file held that this release does not know.
  private var unknown: [String: JSONValue] = [:]

  /// The defaults.
  public init() {}

  private enum Key: String {
    case computeUnits = "compute_units"
    case memory
    case reducedPrecision = "reduced_precision"
    case coreAI = "core_ai"
    case longestAnswer = "longest_answer"
    case lockSeed = "lock_seed"
  }

  /// The settings in the file at `path`, and a sentence for each that could not be taken; of no file
  /// the defaults.
  public static func read(_ path: String, disk: Disk = .real) -> (AppSettings, [String]) {
    do {
      guard let bytes = try disk.read(path) else { return (AppSettings(), []) }
      guard let members = try JSONReader.document(bytes).object?.members else {
        throw MobileOError(.usage, "it is no object")
      }
      var settings = AppSettings()
      var problems: [String] = []
      for (name, value) in members {
        if let key = Key(rawValue: name) {
          if let problem = settings.take(key, value) {
            problems.append("The setting \(name) is \(problem): its default is used.")
          }
        } else {
          settings.unknown[name] = value
        }
      }
      return (settings, problems)
    } catch {
      let reason = (error as? JSONReader.Problem)?.reason ?? sentence(of: error)
      return (AppSettings(), ["The settings cannot be read (\(reason)): the defaults are used."])
    }
  }

  /// Why this cannot be saved, in one sentence; nil if it can.
  public var problem: String? {
    if let length = longestAnswer, !Self.answerLengths.contains(length) {
      let (least, most) = (Self.answerLengths.lowerBound, Self.answerLengths.upperBound)
      return "An answer of \(length) tokens: choose \(least) to \(most)."
    }
    if let name = computeUnits.keys.sorted().first(where: { !Self.components.contains($0) }) {
      return "'\(name)' is no component that Core ML runs."
    }
    return nil
  }

  /// Writes the file, whole or not at all.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`, the ``problem``, or `space`: it cannot be written.
  public func write(_ path: String, disk: Disk = .real) throws {
    if let problem { throw MobileOError(.usage, problem) }
    try disk.replace(path, with: Array((content.text + "\n").utf8))
  }

  /// As a document; what is at its default is left out.
  var content: JSONValue {
    var members = unknown
    if !computeUnits.isEmpty {
      members[Key.computeUnits.rawValue] = .object(
        JSONObject(computeUnits.map { ($0.key, .string($0.value.rawValue)) }))
    }
    if memory != .keep { members[Key.memory.rawValue] = .string(memory.rawValue) }
    if allowsReducedPrecision { members[Key.reducedPrecision.rawValue] = true }
    if let coreAI { members[Key.coreAI.rawValue] = .string(coreAI.rawValue) }
    if let longestAnswer { members[Key.longestAnswer.rawValue] = .integer(longestAnswer) }
    if isSeedLocked { members[Key.lockSeed.rawValue] = true }
    return .object(JSONObject(members.map { ($0.key, $0.value) }))
  }

  /// Takes one value; what it is if it cannot be taken.
  private mutating func take(_ key: Key, _ value: JSONValue) -> String? {
    let shown = oneLine(value.line, longest: 60)
    switch key {
    case .computeUnits:
      var units: [String: ComputeUnits] = [:]
      for (name, value) in value.object?.members ?? [] {
        guard Self.components.contains(name),
          let unit = value.string.flatMap(ComputeUnits.init(rawValue:))
        else { return shown }
        units[name] = unit
      }
      if value.object == nil { return shown }
      computeUnits = units
    case .memory:
      guard let policy = value.string.flatMap(MemoryPlan.Policy.init(rawValue:)) else {
        return shown
      }
      memory = policy
    case .reducedPrecision:
      guard let allowed = value.bool else { return shown }
      allowsReducedPrecision = allowed
    case .coreAI:
      guard let units = value.string.flatMap(CoreAIUnits.init(rawValue:)) else { return shown }
      coreAI = units
    case .longestAnswer:
      guard let length = value.integer, Self.answerLengths.contains(length) else { return shown }
      longestAnswer = length
    case .lockSeed:
      guard let locked = value.bool else { return shown }
      isSeedLocked = locked
    }
    return nil
  }
}
