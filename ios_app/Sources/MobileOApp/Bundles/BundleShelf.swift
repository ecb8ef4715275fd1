import Foundation
import MobileO
import Observation

/// The bundles on this device, in a folder of the app's, and what they take.
///
///     SHA256/              a bundle, by the identity of its manifest
///     SHA256.json          how it came here
///     SHA256.repair.part/  what came of a repair that goes on, or was stopped
///     download-…           a download that goes on, is paused, or has just ended
///     import-….partial/    being copied; gone at the next start
///     trash-SHA256/        being deleted; gone at the next start
///
/// A bundle appears whole or not at all, and goes in one step, whenever the app is killed.
@MainActor @Observable
public final class BundleShelf {
  /// A folder that looks like a bundle and cannot be read.
  public struct Problem: Sendable, Equatable, Identifiable {
    /// Its name.
    public let id: String
    /// What is wrong, and what to do, in one sentence.
    public let sentence: String
  }

  /// What is done now; one thing at a time.
  public struct Activity: Sendable, Equatable {
    /// What is done.
    public enum Kind: String, Sendable {
      case importing, verifying, repairing, deleting
    }

    /// What is done.
    public let kind: Kind
    /// The name of the bundle, or of the folder that it comes from.
    public let name: String
    /// Bytes that are done.
    public internal(set) var done = 0
    /// Of how many; 0 while nobody knows.
    public internal(set) var total = 0
  }

  /// The embedded one first, then by name.
  public private(set) var bundles: [InstalledBundle] = []
  /// What could not be read.
  public private(set) var problems: [Problem] = []
  /// What is done now; nil of nothing.
  public private(set) var activity: Activity?
  /// What could not be done, in one sentence, until something else is.
  public private(set) var notice: String?
  /// Free bytes on the device.
  public private(set) var free = 0
  /// Bytes of downloads that are not finished.
  public private(set) var unfinished = 0
  /// The bundle that is open: it is not deleted.
  public package(set) var inUse: InstalledBundle.ID?

  @ObservationIgnored let folder: String
  @ObservationIgnored let files: BundleFiles
  @ObservationIgnored private let embedded: URL?
  @ObservationIgnored private let compiled: CompiledFolders
  @ObservationIgnored private let transport: any Transport
  @ObservationIgnored private let settings: DownloadSettings
  @ObservationIgnored private var reading: Task<Void, Never>?
  @ObservationIgnored private var work: Task<Void, any Error>?

  /// The bundles in `folder`, which is made when the first comes; call ``refresh()`` to read it.
  ///
  /// - Parameters:
  ///   - embedded: the bundle inside the app.
  ///   - compiled: what else belongs to a bundle, and goes with it.
  ///   - transport: brings what is broken anew.
  public init(
    folder: URL, embedded: URL? = nil, compiled: CompiledFolders = .none,
    files: BundleFiles = .real, transport: any Transport = URLSessionTransport(),
    settings: DownloadSettings = .init()
  ) {
    self.folder = folder.path
    self.embedded = embedded
    self.compiled = compiled
    self.files = files
    self.transport = transport
    self.settings = settings
  }

  /// Bytes of all that was installed; what is in the app is not counted.
  public var used: Int {
    InstalledBundle.sum(
      bundles.filter { $0.source != .embedded }.map(\.size) + bundles.map(\.compiledSize))
  }

  /// A bundle by its identity.
  public subscript(id: InstalledBundle.ID) -> InstalledBundle? { bundles.first { $0.id == id } }

  /// Reads the folder anew, and clears away what a kill left in it; one look comes after the other, and
  /// after what is being done, whose half-made folders would look like a kill's.
  public func refresh() async {
    let look = Task { [reading, work] in
      await reading?.value
      _ = await work?.result
      await read()
    }
    reading = look
    await look.value
  }

  private func read() async {
    let (folder, embedded, files, compiled) = (folder, embedded, files, compiled)
    let found = await Task.detached {
      ShelfReader(folder: folder, embedded: embedded, files: files, compiled: compiled).read()
    }.value
    let health = Dictionary(uniqueKeysWithValues: bundles.map { ($0.id, $0.health) })
    bundles = found.bundles.map { bundle in
      var bundle = bundle
      bundle.health = health[bundle.id] ?? .unknown
      return bundle
    }
    (problems, free, unfinished) = (found.problems, found.free, found.unfinished)
  }

  /// Copies the bundle in `source`, and takes it if its seal holds.
  ///
  /// - Returns: its identity; nil if it was refused or stopped, see ``notice``.
  @discardableResult public func importBundle(from source: URL) async -> InstalledBundle.ID? {
    let found = Found()
    await doing(.importing, source.lastPathComponent) { [folder, files] tell in
      found.id = try BundleImport(source: source.path, shelf: folder, files: files).run(tell)
    }
    return found.id
  }

  /// Compares every file with its seal; ``InstalledBundle/health`` says what was found.
  public func verify(_ id: InstalledBundle.ID) async {
    guard let bundle = self[id] else { return }
    await doing(.verifying, bundle.name) { [weak self, files] _ in
      let problems = try Self.problems(bundle, files)
      await self?.note(id, problems)
    }
  }

  /// Verifies a bundle, and brings what is broken of it from where it came from; nothing else.
  public func repair(_ id: InstalledBundle.ID) async {
    guard let bundle = self[id] else { return }
    await doing(.repairing, bundle.name) { [weak self, transport, settings, files, compiled] tell in
      var problems = try Self.problems(bundle, files)
      await self?.note(id, problems)
      if problems.isEmpty { return }
      let address = try Self.address(bundle, problems)
      // It may come from what is broken, and once that is mended nobody would know.
      try compiled.remove(id)
      let download = Download(
        from: address, to: bundle.folder.path, identity: id, transport: transport,
        settings: settings, disk: files.disk)
      var (done, total) = (0, 0)
      for try await event in download.repairing(problems) {
        switch event {
        case .planned(let plan): (done, total) = (plan.have, plan.total)
        case .came(let bytes): done += bytes
        default: break
        }
        tell(done, total)
      }
      try Task.checkCancellation()
      problems = try Self.problems(bundle, files)
      await self?.note(id, problems)
    }
  }

  /// Deletes a bundle with all that belongs to it.
  public func delete(_ id: InstalledBundle.ID) async {
    guard let bundle = self[id] else { return }
    let isOpen = inUse == id
    await doing(.deleting, bundle.name) { [folder, files, compiled] _ in
      if bundle.source == .embedded {
        throw MobileOError(.usage, "\(bundle.name) is part of the app and cannot be deleted.")
      }
      if isOpen {
        throw MobileOError(.usage, "\(bundle.name) is open: open another bundle first.")
      }
      try Self.clear(id, folder, files, compiled)
    }
  }

  /// Deletes a folder that is named in ``problems``.
  public func deleteBroken(_ id: Problem.ID) async {
    guard problems.contains(where: { $0.id == id }), ShelfReader.isName(id) else { return }
    await doing(.deleting, id) { [folder, files, compiled] _ in
      try Self.clear(id, folder, files, compiled)
    }
  }

  /// In an order that a kill leaves in a state that the next start makes whole.
  private nonisolated static func clear(
    _ name: String, _ folder: String, _ files: BundleFiles, _ compiled: CompiledFolders
  ) throws {
    let trash = folder + "/" + ShelfReader.trash + name
    try files.remove(trash)
    try files.rename(folder + "/" + name, trash)
    try compiled.remove(name)
    try files.remove(trash)
    try files.remove(folder + "/" + name + ".json")
  }

  /// Removes what is there of downloads that are not finished.
  public func deleteUnfinished() async {
    await doing(.deleting, "unfinished downloads") { [folder, files] _ in
      for path in ShelfReader.unfinished(folder) { try files.remove(path) }
    }
  }

  /// Stops what is done now, as soon as the file that is read or written is.
  public func cancel() { work?.cancel() }

  // MARK: Doing

  private func doing(
    _ kind: Activity.Kind, _ name: String,
    _ body:
      @escaping @Sendable (_ tell: @escaping @Sendable (Int, Int) -> Void) async throws -> Void
  ) async {
    notice = nil
    guard activity == nil else {
      notice = "A bundle is being worked on: wait for it, or stop it."
      return
    }
    activity = Activity(kind: kind, name: name)
    let work = Task.detached { [reading] in
      await reading?.value
      try await body { done, total in
        Task { @MainActor [weak self] in self?.progress(done, total) }
      }
    }
    self.work = work
    do {
      try await withTaskCancellationHandler {
        try await work.value
      } onCancel: {
        work.cancel()
      }
    } catch is CancellationError {
    } catch {
      notice = sentence(of: error)
    }
    self.work = nil
    await refresh()
    activity = nil
  }

  private func progress(_ done: Int, _ total: Int) {
    activity?.done = done
    activity?.total = total
  }

  private func note(_ id: InstalledBundle.ID, _ problems: [Seal.Problem]) {
    guard let place = bundles.firstIndex(where: { $0.id == id }) else { return }
    bundles[place].health = problems.isEmpty ? .sealed : .broken(problems)
  }

  /// What is broken of a bundle; where nothing is, what a repair left beside it goes.
  private nonisolated static func problems(
    _ bundle: InstalledBundle, _ files: BundleFiles
  ) throws -> [Seal.Problem] {
    let manifest = try Manifest(folder: bundle.folder.path)
    let problems = try Seal.verify(bundle.folder.path, manifest)
    if problems.isEmpty { try? files.remove(Download.leftovers(of: bundle.folder.path)) }
    return problems
  }

  /// Where what is broken of a bundle comes from.
  private nonisolated static func address(
    _ bundle: InstalledBundle, _ problems: [Seal.Problem]
  ) throws -> URL {
    switch (bundle.source, bundle.origin.flatMap(URL.init(string:))) {
    case (.downloaded, let address?): return address
    case (.embedded, _):
      throw MobileOError(.usage, "\(bundle.name) is part of the app: install the app again.")
    default:
      let first = problems.first?.path ?? ""
      throw MobileOError(
        .usage,
        "\(bundle.name) is broken (\(first)) and was not downloaded: delete it and import it again."
      )
    }
  }
}

/// What a detached task found.
private final class Found: @unchecked Sendable {
  private let lock = NSLock()
  private var held: InstalledBundle.ID?

  var id: InstalledBundle.ID? {
    get { lock.withLock { held } }
    set { lock.withLock { held = newValue } }
  }
}
