import Foundation
import MobileO

/// A file that says what the app is doing, while it does something that may end it.
///
/// It is there from before a component's first call to the end of the run. One that is found at the
/// start tells where the app died: out of memory nothing else is left to tell it. It is best effort: a
/// beacon that cannot be written keeps nobody from drawing.
public final class Beacon: @unchecked Sendable {
  /// What is done with a component.
  public typealias Call = GatedEngine.Call

  /// What the app works on.
  public enum Activity: String, Sendable, CaseIterable {
    case chat, draw, ask, edit, benchmark
    /// Compiling and loading for the first time.
    case preparation
    case selfTest = "self_test"

    /// A run of the studio.
    init(_ intent: Intent) {
      switch intent {
      case .chat: self = .chat
      case .draw: self = .draw
      case .ask: self = .ask
      case .edit: self = .edit
      }
    }

    /// For people.
    var name: String { self == .selfTest ? "self-test" : rawValue }
  }

  /// What the app was doing.
  public struct Phase: Sendable, Equatable {
    /// What it was for.
    public let activity: Activity
    /// `dit`, `llm`, …
    public let component: String
    /// Whether it was being loaded or run.
    public let call: Call
    /// The identity of the bundle.
    public let bundle: String

    /// What the user reads at the next start.
    public var sentence: String {
      let doing = call == .load ? "loading" : "running"
      return
        "The app ended while it was \(doing) \(component) (\(activity.name)). If you did not close "
        + "it, memory most likely ran out: close other apps, or use a smaller bundle."
    }
  }

  private let path: String
  private let disk: Disk
  private let lock = NSLock()
  private var run: (activity: Activity, bundle: String)?
  private var marked: (component: String, call: Call)?

  /// The beacon in the file at `path`.
  public init(path: String, disk: Disk = .real) {
    self.path = path
    self.disk = disk
  }

  /// The phase that the app died in the last time; nil if it did not, or nobody can say.
  ///
  /// It is asked once, at the start: the file is gone after that.
  public func lastDeath() -> Phase? {
    defer { try? disk.remove(path) }
    guard let bytes = try? disk.read(path), let content = try? JSONReader.document(bytes),
      let activity = content["activity"]?.string.flatMap(Activity.init(rawValue:)),
      let component = content["component"]?.string,
      let call = content["call"]?.string.flatMap(Call.init(rawValue:)),
      let bundle = content["bundle"]?.string
    else { return nil }
    return Phase(
      activity: activity, component: oneLine(component, longest: 40), call: call, bundle: bundle)
  }

  /// A run begins; nothing is written before its first call.
  func begin(_ activity: Activity, bundle: String) {
    lock.withLock {
      run = (activity, bundle)
      marked = nil
    }
  }

  /// The next call; written where it is another than the last.
  func mark(_ component: String, _ call: Call) {
    lock.withLock {
      guard let run, marked?.component != component || marked?.call != call else { return }
      marked = (component, call)
      let phase: JSONValue = [
        "activity": .string(run.activity.rawValue), "component": .string(component),
        "call": .string(call.rawValue), "bundle": .string(run.bundle),
      ]
      try? disk.replace(path, with: Array(phase.text.utf8))
    }
  }

  /// The run came to its end, whichever.
  func end() {
    lock.withLock {
      if marked != nil { try? disk.remove(path) }
      (run, marked) = (nil, nil)
    }
  }
}
