import Foundation
import MobileO

/// A bundle that is on this device.
public struct InstalledBundle: Sendable, Equatable, Identifiable {
  /// How it came here.
  public enum Source: String, Sendable {
    /// Inside the app; it can be neither repaired nor deleted.
    case embedded
    case downloaded
    case imported
  }

  /// A component, with what it takes on the disk.
  public struct Part: Sendable, Equatable, Identifiable {
    /// `dit`, `llm`, ….
    public let id: String
    /// For people.
    public let title: String
    /// `float32`, `8-bit`, ….
    public let precision: String
    /// Of its files, in bytes.
    public let size: Int
  }

  /// What was found when it was verified.
  public enum Health: Sendable, Equatable {
    /// Nobody looked since the app was started.
    case unknown
    /// Every file is as it was sealed.
    case sealed
    case broken([Seal.Problem])
  }

  /// The identity of its manifest: ``Manifest/identity``.
  public let id: String
  /// What it was made of, such as `Mobile-O-0.5B`.
  public let name: String
  /// Where its files are.
  public let folder: URL
  /// How it came here.
  public let source: Source
  /// The address that it was downloaded from, or the folder that it was imported from.
  public let origin: String?
  /// In the order in which they run.
  public let parts: [Part]
  /// Of all its files, in bytes.
  public let size: Int
  /// What it takes of memory; nil of one that does not draw.
  public let memory: MemoryNeeds?
  /// What else on the disk belongs to it, in bytes: its compiled models.
  public internal(set) var compiledSize = 0
  /// What is known of its seal.
  public internal(set) var health = Health.unknown

  /// Of the manifest in `folder`.
  init(_ manifest: Manifest, folder: URL, source: Source, origin: String?) {
    id = manifest.identity
    let given = manifest.content["source"]?["name"]?.string
    name = oneLine(given ?? "Bundle \(manifest.identity.prefix(12))", longest: 80)
    self.folder = folder
    self.source = source
    self.origin = origin
    let order = ["vision_encoder", "llm", "mcp", "dit", "vae_decoder"]
    parts = order.compactMap { name in
      guard let component = manifest.components[name], let artifact = component.artifacts.first
      else { return nil }
      let files = manifest.files.filter {
        $0.path == artifact.path || $0.path.hasPrefix(artifact.path + "/")
      }
      return Part(
        id: name, title: component.title, precision: artifact.weightPrecision,
        size: Self.sum(files.map(\.size)))
    }
    size = Self.sum(manifest.files.map(\.size))
    memory = MemoryNeeds(manifest)
  }

  /// Sizes that come out of a file may be anything.
  static func sum(_ sizes: [Int]) -> Int {
    sizes.reduce(0) { total, size in
      let (sum, overflow) = total.addingReportingOverflow(max(0, size))
      return overflow ? .max : sum
    }
  }
}

/// What is compiled of a bundle, where the engine keeps such a thing.
public struct CompiledFolders: Sendable {
  /// Bytes that belong to the bundle of an identity.
  public var size: @Sendable (_ bundle: String) -> Int
  /// Removes all of it; none there is no failure.
  public var remove: @Sendable (_ bundle: String) throws -> Void

  /// A store of one's own.
  public init(
    size: @escaping @Sendable (String) -> Int, remove: @escaping @Sendable (String) throws -> Void
  ) {
    self.size = size
    self.remove = remove
  }

  /// Nothing is compiled.
  public static let none = CompiledFolders(size: { _ in 0 }, remove: { _ in })

  /// A folder with one for each bundle, by its identity.
  public static func folder(_ folder: URL) -> CompiledFolders {
    CompiledFolders(
      size: { bundle in BundleFiles.size(of: folder.path + "/" + bundle) },
      remove: { bundle in try BundleFiles.real.remove(folder.path + "/" + bundle) })
  }
}
