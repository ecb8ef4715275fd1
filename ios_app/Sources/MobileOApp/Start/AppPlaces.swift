import Foundation

/// Where the app keeps its things, in one folder.
public struct AppPlaces: Sendable, Equatable {
  /// All of it.
  public let root: URL

  /// In `root`: `Application Support` on Apple's platforms.
  public init(root: URL) { self.root = root }

  /// The bundles; not to be backed up, since they can be had again.
  public var bundles: URL { root.appendingPathComponent("Bundles") }
  /// What is compiled of them, by the identity of the bundle; not to be backed up either.
  public var compiled: URL { root.appendingPathComponent("Compiled") }
  /// Conversations and pictures.
  public var library: URL { root.appendingPathComponent("Library") }
  /// Results of benchmarks and self-tests.
  public var reports: URL { root.appendingPathComponent("Reports") }
  var settings: String { file("settings.json") }
  var beacon: String { file("beacon.json") }
  var chosen: String { file("bundle.txt") }
  var times: String { file("preparation.json") }

  private func file(_ name: String) -> String { root.path + "/" + name }
}
