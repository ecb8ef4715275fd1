import Foundation

extension Download {
  /// Brings the files of an installed bundle anew in which `problems` were found, and leaves all others
  /// alone; what is there and not listed is removed.
  ///
  /// The bundle stays in its place: each file takes that of the broken one in one step when it is whole,
  /// so that a kill leaves the one or the other. What came is kept if it fails or is cancelled, as
  /// ``run()`` keeps it.
  ///
  /// The stream fails as that of ``run()``, and of kind `bundle` if what the server has is another
  /// bundle. ``DownloadEvent/finished(_:)`` comes when the seal holds.
  public func repairing(_ problems: [Seal.Problem]) -> AsyncThrowingStream<DownloadEvent, any Error>
  {
    events { emit in emit(.finished(try await repair(problems, emit))) }
  }

  /// Where what came of a repair of the bundle in `folder` is kept until the repair ends.
  package static func leftovers(of folder: String) -> String {
    Staging(repairing: folder, .own).folder
  }

  private func repair(
    _ problems: [Seal.Problem], _ emit: @escaping @Sendable (DownloadEvent) -> Void
  ) async throws -> Manifest {
    try checkAddress()
    let folder = staging.destination
    let manifest = try Manifest(folder: folder)
    for problem in problems where problem.kind == .extra {
      try clear(folder, problem.path, andFile: true)
    }
    let broken = Set(problems.filter { $0.kind != .extra }.map { Exact($0.path) })
    let beside = Staging(repairing: folder, how.disk)
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
      try clear(folder, item.file.path, andFile: false)
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

  /// Removes what is where a file of that name belongs: a folder above it that is none, a folder in its
  /// place, and, if asked to, the file itself; otherwise what comes replaces it.
  private func clear(_ folder: String, _ path: String, andFile: Bool) throws {
    var place = folder
    for name in path.split(separator: "/") {
      place += "/" + name
      let isWhole = place == folder + "/" + path
      switch Files.kind(place) {
      case .missing: return
      case .folder where !isWhole: continue
      case .file where isWhole && !andFile, .link where isWhole && !andFile: return
      default: break
      }
      do {
        try how.disk.remove(place)
      } catch {
        throw MobileOError(
          .usage, "\(place): cannot be removed; delete the bundle, and download it")
      }
      return
    }
  }
}

extension Staging {
  /// Beside the bundle in `folder`, for what comes of its repair.
  fileprivate init(repairing folder: String, _ disk: DownloadDisk) {
    self.init(destination: folder + ".repair", disk: disk)
  }
}
