import Foundation

extension Download {
  /// Brings the files of an installed bundle anew in which `problems` were found, and leaves all others
  /// alone; what is there and not listed is removed.
  ///
  /// The bundle stays in its place: each file is renamed into it when it is whole. What came is kept if
  /// it fails or is cancelled, as ``run()`` keeps it.
  ///
  /// The stream fails as that of ``run()``, and of kind `bundle` if what the server has is another
  /// bundle. ``DownloadEvent/finished(_:)`` comes when the seal holds.
  public func repairing(_ problems: [Seal.Problem]) -> AsyncThrowingStream<DownloadEvent, any Error>
  {
    events { emit in emit(.finished(try await repair(problems, emit))) }
  }

  private func repair(
    _ problems: [Seal.Problem], _ emit: @escaping @Sendable (DownloadEvent) -> Void
  ) async throws -> Manifest {
    try checkAddress()
    let folder = staging.destination
    let manifest = try Manifest(folder: folder)
    for problem in problems where problem.kind == .extra { try Self.clear(folder, problem.path) }
    let broken = Set(problems.filter { $0.kind != .extra }.map { Exact($0.path) })
    let beside = Staging(destination: folder + ".repair")
    let lock = try beside.begin()
    defer { withExtendedLifetime(lock) {} }
    let left = try beside.plan(manifest, at: base)
    let plan = DownloadPlan(
      items: left.items.map { item in
        broken.contains(Exact(item.file.path))
          ? item : .init(file: item.file, have: item.file.size, isWhole: true)
      })
    try plan.check(free: how.disk.free(beside.files), in: folder)
    emit(.planned(plan))
    try await Download(self, into: beside).fetch(plan, emit)
    emit(.verifying)
    for item in plan.items where broken.contains(Exact(item.file.path)) {
      try Task.checkCancellation()
      try Self.clear(folder, item.file.path)
      try beside.give(item.file.path, to: folder)
    }
    if let rest = try Seal.verify(folder, manifest).first {
      throw MobileOError(
        .download, "\(folder): \(rest.path) is still not as sealed (\(rest.detail)); check the disk"
      )
    }
    beside.clear()
    return manifest
  }

  /// Makes room for a file of its name; a folder above it that is none goes too.
  private static func clear(_ folder: String, _ path: String) throws {
    var place = folder
    for name in path.split(separator: "/") {
      place += "/" + name
      switch Files.kind(place) {
      case .missing: return
      case .folder where place != folder + "/" + path: continue
      default: break
      }
      do {
        try FileManager.default.removeItem(atPath: place)
      } catch {
        throw MobileOError(
          .usage, "\(place): cannot be removed; delete the bundle, and download it")
      }
      return
    }
  }
}
