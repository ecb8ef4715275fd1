import Foundation
import MobileO

/// Brings a bundle from a folder into a shelf: copied, verified, and there in one step.
struct BundleImport: Sendable {
  let source: String
  let shelf: String
  let files: BundleFiles

  /// - Returns: the identity of the bundle.
  /// - Throws: ``MobileOError``: it is no bundle, here already, too large, or its seal does not hold;
  ///   `CancellationError`. Nothing of it is left then.
  func run(_ tell: (_ done: Int, _ total: Int) -> Void) throws -> String {
    let manifest = try Manifest(folder: source)
    let target = shelf + "/" + manifest.identity
    if Files.kind(target) != .missing {
      throw MobileOError(.usage, "\(source): this very bundle is installed already.")
    }
    // Hostile paths, and links to anywhere, are refused before anything is written.
    try Links.check(source)
    let plan = try DownloadPlan(manifest, at: source)
    try FileManager.default.createDirectory(atPath: shelf, withIntermediateDirectories: true)
    let free = files.free(shelf)
    if plan.total > free {
      throw MobileOError(
        .space,
        "\(source): takes \(bytesText(plan.total)), \(bytesText(max(0, free))) are free; make room "
          + "on the device")
    }
    let place = "\(shelf)/\(ShelfReader.importing)\(manifest.identity)\(Disk.partial)"
    try files.remove(place)
    do {
      try copy(plan, to: place, tell)
      try appear(manifest, from: place, at: target)
    } catch {
      try? files.remove(place)
      throw error
    }
    return manifest.identity
  }

  private func copy(_ plan: DownloadPlan, to place: String, _ tell: (Int, Int) -> Void) throws {
    var done = 0
    tell(done, plan.total)
    for item in plan.items {
      try Task.checkCancellation()
      let from = source + "/" + item.file.path
      switch Files.target(from) {
      case .file: break
      case .missing:
        throw MobileOError(.bundle, "\(from): is missing; export or download the bundle again")
      default:
        throw MobileOError(.bundle, "\(from): is no plain file; export or download it again")
      }
      let plain = URL(fileURLWithPath: from).resolvingSymlinksInPath().path
      try files.copy(plain, place + "/" + item.file.path)
      done += item.file.size
      tell(done, plan.total)
    }
    try Task.checkCancellation()
    try files.copy(source + "/" + Manifest.fileName, place + "/" + Manifest.fileName)
  }

  private func appear(_ manifest: Manifest, from place: String, at target: String) throws {
    let copied = try Manifest(folder: place)
    let problems = try Seal.verify(place, copied)
    guard copied.identity == manifest.identity, problems.isEmpty else {
      let first =
        problems.first.map { "\($0.path): \($0.kind.rawValue), \($0.detail)" } ?? "changed"
      throw MobileOError(
        .bundle, "\(source): the seal does not hold (\(first)); \(Seal.advice(problems))")
    }
    let record = ShelfReader.Record(.imported, origin: source)
    try files.write(target + ".json", record.bytes)
    try files.rename(place, target)
  }
}
