import Foundation
import MobileO

/// Reads the folder of a shelf, and clears away what a kill left in it.
struct ShelfReader: Sendable {
  static let trash = "trash-"
  static let download = "download-"
  static let importing = "import-"

  let folder: String
  let embedded: URL?
  let files: BundleFiles
  let compiled: CompiledFolders

  /// What is there.
  struct Contents: Sendable {
    var bundles: [InstalledBundle] = []
    var problems: [BundleShelf.Problem] = []
    var free = 0
    var unfinished = 0
  }

  /// How a bundle came here, as it is kept beside it.
  struct Record: Sendable {
    let source: InstalledBundle.Source
    let origin: String?

    /// That in the file at `path`; of none, or a damaged one, an import of unknown origin.
    init(path: String) {
      let content = try? Files.json(path, limit: 1 << 20)
      source =
        content?["source"]?.string.flatMap(InstalledBundle.Source.init(rawValue:)) ?? .imported
      origin = content?["origin"]?.string
    }

    init(_ source: InstalledBundle.Source, origin: String?) {
      (self.source, self.origin) = (source, origin)
    }

    /// A JSON document.
    var bytes: [UInt8] {
      let content: JSONValue = [
        "source": .string(source.rawValue), "origin": origin.map { .string($0) } ?? .null,
      ]
      return Array((content.text + "\n").utf8)
    }
  }

  func read() -> Contents {
    var contents = Contents()
    if let embedded {
      take(Record(.embedded, origin: nil), embedded.path, "embedded", &contents)
    }
    let names = Self.names(folder)
    for name in names {
      if name.hasPrefix(Self.trash) {
        try? compiled.remove(String(name.dropFirst(Self.trash.count)))
        try? files.remove(path(name))
      } else if name.hasPrefix(Self.importing) || name.hasSuffix(".json" + Disk.partial) {
        try? files.remove(path(name))
      } else if name.hasPrefix(Self.download), Self.isName(name) {
        do { try adopt(name) } catch {
          contents.problems.append(.init(id: name, sentence: sentence(of: error)))
        }
      }
    }
    for name in Self.names(folder) where Self.isIdentity(name) {
      take(Record(path: path(name + ".json")), path(name), name, &contents)
    }
    let rest = contents.bundles.dropFirst(embedded == nil ? 0 : 1)
    contents.bundles =
      Array(contents.bundles.prefix(contents.bundles.count - rest.count))
      + rest.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
    clearRecords(names)
    clearRepairs(names)
    contents.free = files.free(Self.existing(folder))
    contents.unfinished = InstalledBundle.sum(
      Self.unfinished(folder).map { BundleFiles.size(of: $0) })
    return contents
  }

  /// A download that has ended becomes a bundle.
  func adopt(_ name: String) throws {
    let manifest = try Manifest(folder: path(name))
    let record = Record(path: path(name + ".json"))
    // All that came is in the bundle; the rest would look like a download that goes on.
    try files.remove(path(name + ".part"))
    let target = path(manifest.identity)
    if Files.kind(target) != .missing {
      try files.remove(path(name))
    } else {
      try files.write(target + ".json", Record(.downloaded, origin: record.origin).bytes)
      try files.rename(path(name), target)
    }
    try files.remove(path(name + ".json"))
  }

  /// Places of downloads that are not finished.
  static func unfinished(_ folder: String) -> [String] {
    names(folder).filter {
      $0.hasSuffix(".part") && ($0.hasPrefix(download) || isIdentity($0.prefix(64)))
    }.map { folder + "/" + $0 }
  }

  private func take(
    _ record: Record, _ place: String, _ name: String, _ contents: inout Contents
  ) {
    do {
      let manifest = try Manifest(folder: place)
      if record.source != .embedded, manifest.identity != name {
        throw MobileOError(
          .bundle,
          "\(name): its manifest is another than was installed; delete it, and install anew")
      }
      if contents.bundles.contains(where: { $0.id == manifest.identity }) { return }
      var bundle = InstalledBundle(
        manifest, folder: URL(fileURLWithPath: place), source: record.source,
        origin: record.origin)
      bundle.compiledSize = compiled.size(bundle.id)
      contents.bundles.append(bundle)
    } catch {
      contents.problems.append(.init(id: name, sentence: sentence(of: error)))
    }
  }

  /// Records of bundles and downloads that are not there.
  private func clearRecords(_ names: [String]) {
    let there = Set(Self.names(folder))
    for name in names where name.hasSuffix(".json") {
      let owner = String(name.dropLast(5))
      guard Self.isIdentity(owner) || owner.hasPrefix(Self.download) else { continue }
      if !there.contains(owner), !there.contains(owner + ".part") { try? files.remove(path(name)) }
    }
  }

  /// What came of repairs of bundles that are not there any more.
  private func clearRepairs(_ names: [String]) {
    for owner in Set(names.map { $0.prefix(64) }) where Self.isIdentity(owner) {
      let place = path(String(owner))
      if Files.kind(place) == .missing { try? files.remove(Download.leftovers(of: place)) }
    }
  }

  /// Whether it is the name of a bundle's folder: it cannot lead out of the shelf.
  static func isName(_ name: String) -> Bool {
    isIdentity(name) || name.hasPrefix(download) && !name.contains("/") && !name.contains(".")
  }

  static func isIdentity<Text: StringProtocol>(_ name: Text) -> Bool {
    name.utf8.count == 64
      && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private static func names(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// The folder, or the nearest above it that is there.
  private static func existing(_ folder: String) -> String {
    var place = URL(fileURLWithPath: folder)
    while Files.kind(place.path) == .missing, place.path != "/" {
      place = place.deletingLastPathComponent()
    }
    return place.path
  }

  private func path(_ name: String) -> String { folder + "/" + name }
}
