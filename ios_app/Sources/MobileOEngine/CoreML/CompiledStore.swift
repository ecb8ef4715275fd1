import Foundation
import MobileO

/// The compiled models of a bundle, each compiled once.
///
/// They lie in `FOLDER/IDENTITY/NAME.mlmodelc`: the system remembers what it prepared for a model by
/// its full path, so a name is never another model's. A model appears in its place whole, and counts
/// once `installed.json` beside it lists its files; whatever else lies there is made anew.
///
/// One model is compiled at a time. A cancelled task lets the compilation under way end, since Core ML
/// cannot stop it, and keeps what came of it.
public actor CompiledStore {
  /// Where all bundles' models lie, such as `Application Support/Bundles`.
  public let folder: URL
  /// The bundle that the packages are taken from.
  public let bundle: URL
  /// What the bundle says of itself.
  public let manifest: Manifest

  private let runtime: any CoreMLRuntime
  let disk: StoreDisk
  private let system: String
  private let now: @Sendable () -> Duration
  private let hashedAtOnce: Int
  private let turns = Turns()
  private var installed: InstalledModels
  /// What was looked at closely since the start.
  private var trusted: Set<String> = []

  /// A store of one bundle's models; nothing is compiled by that.
  ///
  /// - Parameters:
  ///   - system: the name of the running system: another one prepares models anew, so that loads are
  ///     cold again.
  ///   - hashedAtOnce: files below this size, in bytes, are hashed before a model is used; of the
  ///     others, weights, the size is looked at, and ``damaged()`` hashes them.
  ///   - now: a clock that does not go back.
  public init(
    folder: URL, bundle: URL, manifest: Manifest, runtime: any CoreMLRuntime,
    disk: StoreDisk = .real, hashedAtOnce: Int = 1 << 22,
    system: String = ProcessInfo.processInfo.operatingSystemVersionString,
    now: @escaping @Sendable () -> Duration = CompiledStore.clock
  ) {
    (self.folder, self.bundle, self.manifest) = (folder, bundle, manifest)
    (self.runtime, self.disk, self.system, self.now) = (runtime, disk, system, now)
    self.hashedAtOnce = hashedAtOnce
    installed =
      InstalledModels.read(
        folder.appendingPathComponent(manifest.identity).path, identity: manifest.identity)
      ?? InstalledModels(identity: manifest.identity)
  }

  /// Since some moment of this process.
  public static let clock: @Sendable () -> Duration = {
    let start = ContinuousClock.now
    return { ContinuousClock.now - start }
  }()

  /// What is compiled, with sizes and times.
  public var models: [String: InstalledModels.Model] { installed.models }

  /// Where a component's compiled model is, or will be.
  public func place(of component: String) throws -> URL {
    own.appendingPathComponent(try name(of: component))
  }

  /// A component's compiled model, compiled now unless it is there and whole.
  ///
  /// - Parameter compiling: told before it is compiled, and why.
  /// - Throws: ``MobileOError`` of kind `bundle`: the component is no Core ML package, its package is
  ///   missing or damaged, or Core ML refuses it; of kind `space`: it cannot be put in its place;
  ///   `CancellationError`.
  public func compiled(
    _ component: String, compiling: @Sendable (CompileReason) -> Void = { _ in }
  ) async throws -> URL {
    try await turns.begin()
    do {
      let place = try place(of: component)
      if let reason = try compileReason(component, place.path) {
        try checkPackage(component)
        compiling(reason)
        // A task of its own: what is under way ends although the caller's was cancelled.
        try await Task { try await compile(component, place.path) }.value
      }
      await turns.end()
      return place
    } catch {
      await turns.end()
      throw error
    }
  }

  /// Whether a load that begins now is cold: the system has prepared nothing for this model yet.
  ///
  /// Where the system threw away what it had prepared, as it does when space is low, a load counts as
  /// warm although it is not: nothing tells.
  public func isCold(_ component: String) -> Bool {
    installed.models[component]?.system != system
  }

  /// Keeps how long a load took.
  public func loaded(_ component: String, seconds: Double, isCold: Bool) {
    guard installed.models[component] != nil else { return }
    if isCold {
      installed.models[component]?.coldLoadSeconds = seconds
    } else {
      installed.models[component]?.warmLoadSeconds = seconds
    }
    installed.models[component]?.system = system
    try? save()  // a time that is not kept keeps nobody from drawing
  }

  /// The components whose compiled models are not what they were, every byte read; they are compiled
  /// anew when they are wanted.
  ///
  /// - Throws: `CancellationError`.
  public func damaged() async throws -> [String] {
    try await turns.begin()
    do {
      var found: [String] = []
      for (component, model) in installed.models.sorted(by: { $0.key < $1.key })
      where try !isWhole(model, hashing: .max) {
        found.append(component)
        trusted.remove(component)
        installed.models[component] = nil
      }
      if !found.isEmpty { try save() }
      await turns.end()
      return found
    } catch {
      await turns.end()
      throw error
    }
  }

  /// Removes all compiled models of this bundle.
  public func removeAll() async throws {
    try await turns.begin()
    do {
      installed = InstalledModels(identity: manifest.identity)
      trusted = []
      try Self.remove(manifest.identity, in: folder, disk: disk)
      await turns.end()
    } catch {
      await turns.end()
      throw error
    }
  }

  private var own: URL { folder.appendingPathComponent(manifest.identity) }

  /// A component's package, as the manifest has it.
  nonisolated func package(_ component: String) throws -> Manifest.Artifact {
    let artifacts = try manifest.component(component).artifacts
    guard let found = artifacts.first(where: { $0.kind == "mlpackage" }) else {
      let kinds = artifacts.map(\.kind).joined(separator: ", ")
      throw MobileOError(
        .bundle,
        "\(component) is \(kinds) in this bundle, not mlpackage or mlx; export it for ios or mlx")
    }
    return found
  }

  private func name(of component: String) throws -> String {
    let path = (try package(component).path as NSString).deletingPathExtension
    return path.replacingOccurrences(of: "/", with: "_") + ".mlmodelc"
  }

  /// What the manifest lists of a component's package.
  func sources(_ component: String) throws -> [Manifest.File] {
    let path = try package(component).path + "/"
    return manifest.files.filter { $0.path.hasPrefix(path) }.sorted { $0.path < $1.path }
  }

  private func sourceDigest(_ component: String) throws -> String {
    let lines = try sources(component).map { "\($0.path) \($0.size) \($0.sha256)\n" }
    return SHA256Digest.of(Array(lines.joined().utf8))
  }

  /// Why a component has to be compiled; nil if it need not.
  private func compileReason(_ component: String, _ place: String) throws -> CompileReason? {
    guard let model = installed.models[component] else {
      return Files.kind(place) == .missing ? .first : .unfinished
    }
    guard model.name == (place as NSString).lastPathComponent,
      model.source == (try sourceDigest(component))
    else { return .foreign }
    let limit = trusted.contains(component) ? 0 : hashedAtOnce
    guard try isWhole(model, hashing: limit) else { return .damaged }
    trusted.insert(component)
    return nil
  }

  /// Whether the files of a model are those that were compiled, the digests of smaller ones included.
  private func isWhole(_ model: InstalledModels.Model, hashing limit: Int) throws -> Bool {
    let path = own.appendingPathComponent(model.name).path
    guard Files.kind(path) == .folder, let present = try? Files.everything(below: path),
      Set(present) == Set(model.files.map(\.path))
    else { return false }
    for file in model.files {
      try Task.checkCancellation()
      guard Files.kind(path + "/" + file.path) == .file(size: file.size) else { return false }
      if file.size < limit, try SHA256Digest.ofFile(path + "/" + file.path) != file.sha256 {
        return false
      }
    }
    return true
  }

  /// Refuses a package that is not what was sealed: Core ML would say less clearly what is wrong.
  private func checkPackage(_ component: String) throws {
    let files = try sources(component)
    if files.isEmpty {
      throw MobileOError(
        .bundle, "\(component): the manifest lists no file of its package; export it again")
    }
    for file in files {
      try Task.checkCancellation()
      let path = bundle.appendingPathComponent(file.path).path
      guard Files.target(path) == .file(size: file.size),
        try SHA256Digest.ofFile(path) == file.sha256
      else {
        throw MobileOError(
          .bundle, "\(component): \(file.path) is missing or damaged; download the bundle again")
      }
    }
  }

  private func compile(_ component: String, _ place: String) async throws {
    let package = bundle.appendingPathComponent(try package(component).path)
    let partial = place + ".partial"
    try placing(place) {
      // What lies there is no model from here on, whatever happens.
      if installed.models.removeValue(forKey: component) != nil { try save() }
      try disk.makeFolder(own.path)
      try disk.excludeFromBackup(own.path)
      try disk.remove(place)
      try disk.remove(partial)
    }
    let start = now()
    let made: URL
    do {
      made = try await runtime.compile(package)
    } catch {
      throw MobileOError(
        .bundle,
        "\(component): Core ML cannot compile \(package.lastPathComponent) "
          + "(\(reason(error))); make room on the device, or download the bundle again")
    }
    let seconds = (now() - start) / .seconds(1)
    do {
      try placing(place) {
        try disk.move(made.path, partial)
        let files = try Files.everything(below: partial).sorted().map { file in
          let path = partial + "/" + file
          guard case .file(let size) = Files.kind(path) else {
            throw MobileOError(.bundle, "\(file) is no plain file")
          }
          return Manifest.File(path: file, size: size, sha256: try SHA256Digest.ofFile(path))
        }
        try disk.rename(partial, place)
        installed.models[component] = InstalledModels.Model(
          name: (place as NSString).lastPathComponent, source: try sourceDigest(component),
          files: files, compileSeconds: seconds)
        try save()
        trusted.insert(component)
      }
    } catch {
      installed.models[component] = nil
      try? disk.remove(made.path)
      try? disk.remove(partial)
      throw error
    }
  }

  private func placing(_ place: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw MobileOError(
        .space,
        "\(place): cannot be put there (\(reason(error))); make room on the device")
    }
  }

  private func save() throws {
    let path = own.appendingPathComponent(InstalledModels.fileName).path
    try disk.write(path + ".partial", installed.bytes)
    try disk.rename(path + ".partial", path)
  }
}

/// Why a model is compiled.
public enum CompileReason: String, Sendable {
  /// It never was.
  case first
  /// The app ended before it was whole.
  case unfinished
  /// It is another package's.
  case foreign
  /// Its files are not what they were.
  case damaged
}
