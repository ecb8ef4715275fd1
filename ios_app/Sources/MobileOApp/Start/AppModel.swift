import Foundation
import MobileO
import Observation

/// The whole app: what it shows, which bundle is open, and everything that is made over it.
///
///     let app = AppModel(places: AppPlaces(root: support), embedded: miniature, factory: factory)
///     app.sceneChanged(isActive: true)
///     await app.open()
@MainActor @Observable
public final class AppModel {
  /// What the app shows as a whole.
  public private(set) var state = StartState.opening
  /// What the app was doing when it died the last time; nil if it did not, or the user has read it.
  public private(set) var lastDeath: Beacon.Phase?
  /// The bundle that is open, or is being opened.
  public private(set) var bundle: InstalledBundle?
  /// Runs what the user asks for; there from the first preparation on, and it stays for a bundle.
  public private(set) var studio: Studio?
  /// Conversations and pictures; nil where their folder can be neither read nor made.
  public private(set) var library: Library?
  /// What the user chose for good; ``change(settings:)`` changes it.
  public private(set) var settings = AppSettings()
  /// What could not be done, or taken of the settings, a sentence each.
  public private(set) var notices: [String] = []
  /// Whether the scene is active.
  public private(set) var isActive = false
  /// The bundles on this device.
  public let shelf: BundleShelf
  /// A bundle that is to come onto the shelf.
  public let download: DownloadModel
  /// What is read of the device.
  public let device: Device
  /// Closed without waiting for the main actor, where the app hears of the scene elsewhere.
  public let gate: CallGate

  @ObservationIgnored let places: AppPlaces
  @ObservationIgnored let disk: Disk
  @ObservationIgnored private let factory: EngineFactory
  @ObservationIgnored private let beacon: Beacon
  @ObservationIgnored private let times: PreparationTimes
  @ObservationIgnored private let now: @Sendable () -> Duration
  @ObservationIgnored private(set) var engine: AppEngine?
  /// With what the engine was made.
  @ObservationIgnored private var options: EngineOptions?
  @ObservationIgnored private var hasRead = false
  @ObservationIgnored private var work: Task<Void, Never>?

  /// An app over its places; nothing is read before ``open()``.
  ///
  /// - Parameters:
  ///   - embedded: the bundle inside the app, which is open when no other was chosen.
  ///   - factory: makes the engine of a bundle, anew when the settings ask for another.
  ///   - shelf, download: others than those in `places`, for tests.
  ///   - now: a clock that does not go back.
  public init(
    places: AppPlaces, embedded: URL? = nil, factory: EngineFactory, device: Device = Device(),
    shelf: BundleShelf? = nil, download: DownloadModel? = nil, disk: Disk = .real,
    gate: CallGate = CallGate(), now: @escaping @Sendable () -> Duration = Studio.clock
  ) {
    self.places = places
    self.factory = factory
    self.device = device
    self.disk = disk
    self.gate = gate
    self.now = now
    let shelf =
      shelf
      ?? BundleShelf(
        folder: places.bundles, embedded: embedded, compiled: .folder(places.compiled))
    self.shelf = shelf
    self.download = download ?? DownloadModel(shelf: shelf)
    beacon = Beacon(path: places.beacon, disk: disk)
    times = PreparationTimes(path: places.times, disk: disk)
  }

  // MARK: Opening

  /// Reads what is there, and opens the bundle that was chosen last, or the embedded one; waits until
  /// it is ready, or is not.
  public func open() async { await begin { await self.opening(nil) } }

  /// The same once more, after it was stopped or has failed.
  public func again() async { await open() }

  /// Opens another bundle, and remembers it. While something is made it is refused, see ``notices``.
  public func use(_ id: InstalledBundle.ID) async {
    notices = []
    guard shelf[id] != nil, isFree() else { return }
    await halt()
    await begin { await self.opening(id) }
  }

  /// Stops the preparation: what is in flight ends, no other component begins.
  public func cancel() {
    apply(.stop(.stopped))
    if studio?.occupation == .preparation { studio?.vacate() }
    work?.cancel()
  }

  /// The user has read what the app died of.
  public func dismissLastDeath() { lastDeath = nil }

  /// The user has read what could not be done.
  public func dismissNotices() { notices = [] }

  /// Whether the scene is active: in front, and in use. Nothing runs unless it is; a preparation that
  /// was interrupted goes on by itself.
  public func sceneChanged(isActive: Bool) {
    self.isActive = isActive
    gate.scene(isActive: isActive)
    studio?.sceneChanged(isActive: isActive)
    if !isActive, case .preparing = state { apply(.stop(.away)) }
    if isActive, case .stopped(_, .away) = state { Task { await again() } }
  }

  /// Memory runs low: everything that is not in use goes.
  public func memoryWarning() async {
    await studio?.memoryWarning()
    await engine?.release()
  }

  // MARK: Settings

  /// Takes other settings and saves them. Where the engine has to be another, it is made and prepared
  /// as soon as nothing is being made.
  public func change(settings new: AppSettings) async {
    notices = []
    do {
      try disk.makeFolder(places.root.path)
      try new.write(places.settings, disk: disk)
    } catch {
      notices = [sentence(of: error)]
      return
    }
    settings = new
    studio?.settings = new
    if state == .ready, options != EngineOptions(new) { await rebuild() }
  }

  /// Lets Core AI run what a bundle has for it, on whatever the system takes for the fastest.
  public func turnOnCoreAI() async {
    var new = settings
    new.coreAI = .all
    await change(settings: new)
    await again()
  }

  /// Everything back to its default.
  public func resetSettings() async { await change(settings: AppSettings()) }

  // MARK: Bundles

  /// Deletes a bundle; where it is the open one, another is opened.
  public func delete(_ id: InstalledBundle.ID) async {
    await exchanging(id) { await self.shelf.delete(id) }
  }

  /// Verifies a bundle and brings what is broken of it anew; the open one is opened again behind it.
  public func repair(_ id: InstalledBundle.ID) async {
    await exchanging(id) { await self.shelf.repair(id) }
  }

  /// Does something to a bundle, which is not open meanwhile.
  private func exchanging(_ id: InstalledBundle.ID, _ body: () async -> Void) async {
    notices = []
    guard bundle?.id == id, shelf[id]?.source != .embedded else {
      await body()
      return
    }
    guard isFree() else { return }
    await halt()
    apply(.open)
    await close()
    await body()
    await begin { await self.opening(nil) }
  }

  // MARK: Doing

  private func apply(_ event: StartState.Event) {
    if let next = state.after(event) { state = next }
  }

  /// Whether nothing is made; says so where something is.
  private func isFree() -> Bool {
    guard let studio, studio.state.isBusy || studio.occupation != nil, !state.isBusy else {
      return true
    }
    notices = [studio.obstacle ?? ""]
    return false
  }

  /// One opening or preparation at a time.
  private func begin(_ body: @escaping @MainActor () async -> Void) async {
    while let work { await work.value }
    let work = Task {
      await body()
      self.work = nil
    }
    self.work = work
    await withTaskCancellationHandler {
      await work.value
    } onCancel: {
      work.cancel()
    }
  }

  private func halt() async {
    if work != nil { cancel() }
    while let work { await work.value }
  }

  private func close() async {
    await studio?.memoryWarning()
    await engine?.release()
    (studio, engine, options, bundle) = (nil, nil, nil, nil)
    shelf.inUse = nil
  }

  private func opening(_ id: InstalledBundle.ID?) async {
    if hasRead { apply(.open) }
    await read()
    let wanted = id ?? chosen
    guard let next = wanted.flatMap({ shelf[$0] }) ?? shelf.bundles.first else {
      await close()
      apply(.none)
      return
    }
    await attempt {
      if bundle?.id != next.id { await close() }
      bundle = next
      shelf.inUse = next.id
      if let id { try disk.replace(places.chosen, with: Array(id.utf8)) }
      try await make(next)
    }
  }

  private func rebuild() async {
    await begin {
      await self.studio?.settled()
      guard self.state == .ready, let bundle = self.bundle,
        self.options != EngineOptions(self.settings)
      else { return }
      await self.attempt { try await self.make(bundle) }
    }
  }

  /// Opens a bundle, makes its engine where it is missing or another is wanted, and prepares it.
  private func make(_ bundle: InstalledBundle) async throws {
    if studio == nil {
      studio = try await Studio(
        bundle: bundle.folder, engine: try await engine(for: bundle).engine, beacon: beacon,
        gate: gate, now: now)
    }
    guard let studio else { return }
    studio.settings = settings
    studio.sceneChanged(isActive: isActive)
    try Task.checkCancellation()
    if !isActive {
      apply(.prepare(count: 0))
      throw CancellationError()
    }
    try await studio.occupy(.preparation) { _ in
      let engine = try await engine(for: bundle)
      studio.change(engine: engine.engine)
      apply(.prepare(count: engine.components.count))
      for component in engine.components {
        try Task.checkCancellation()
        apply(.component(component, lastTime: times.last(component, of: bundle.id)))
        try studio.announce(component)
        let started = now()
        try await engine.prepare(component)
        times.keep(now() - started, component, of: bundle.id)
      }
    }
    apply(.done)
  }

  /// The engine that the settings ask for: the one that is there, or another in its place.
  private func engine(for bundle: InstalledBundle) async throws -> AppEngine {
    let wanted = EngineOptions(settings)
    if let engine, options == wanted { return engine }
    await engine?.release()
    (engine, options) = (nil, nil)
    let manifest = try Manifest(folder: bundle.folder.path)
    let made = try await factory.make(bundle.folder, manifest, wanted)
    (engine, options) = (made, wanted)
    return made
  }

  private func attempt(_ body: () async throws -> Void) async {
    do {
      try await body()
      // The settings may have changed while it was prepared.
      if state == .ready, options != EngineOptions(settings) { Task { await rebuild() } }
    } catch is CancellationError {
      apply(.ended(isActive ? .stopped : .away))
    } catch {
      apply(.failed(StartFailure(error, isCustom: EngineOptions(settings) != .standard)))
    }
  }

  private var chosen: InstalledBundle.ID? {
    guard let bytes = try? disk.read(places.chosen) else { return nil }
    let name = String(decoding: bytes, as: UTF8.self)
    return ShelfReader.isIdentity(name) ? name : nil
  }

  /// What is read once, at the start, and what may have changed since.
  private func read() async {
    if !hasRead {
      hasRead = true
      lastDeath = beacon.lastDeath()
      (settings, notices) = AppSettings.read(places.settings, disk: disk)
    }
    if library == nil {
      do {
        try disk.makeFolder(places.root.path)
        library = try Library(folder: places.library, disk: disk)
      } catch {
        notices.append(sentence(of: error))
      }
    }
    await shelf.refresh()
    await download.restore()
  }
}
