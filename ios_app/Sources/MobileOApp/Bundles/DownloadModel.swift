import Foundation
import MobileO
import Observation

/// A bundle that comes over the network onto the shelf: looked at first, then downloaded with the user's
/// consent, paused, resumed after any end of the app.
@MainActor @Observable
public final class DownloadModel {
  /// Where it stands.
  public private(set) var state = DownloadState.idle
  /// What the user typed: `https://…`, `owner/name`, `owner/name@revision`.
  public var address: String
  /// Whether the user lets it come over a network that may cost.
  public var allowsCellular = false { didSet { if allowsCellular { goOn() } } }
  /// What the device reaches the network by, as it was said last.
  public private(set) var network = Network.unknown

  @ObservationIgnored private let shelf: BundleShelf
  @ObservationIgnored private let transport: any Transport
  @ObservationIgnored private let settings: DownloadSettings
  @ObservationIgnored private let hub: String
  @ObservationIgnored private let now: @Sendable () -> Duration
  @ObservationIgnored private var work: Task<Void, Never>?

  /// A download onto `shelf`; nothing begins.
  ///
  /// - Parameters:
  ///   - address: what stands in the field at first.
  ///   - hub: where ids of repositories lead.
  ///   - now: a clock that does not go back.
  public init(
    shelf: BundleShelf, address: String = "", transport: any Transport = URLSessionTransport(),
    settings: DownloadSettings = .init(), hub: String = BundleAddress.hub,
    now: @escaping @Sendable () -> Duration = Studio.clock
  ) {
    self.shelf = shelf
    self.address = address
    self.transport = transport
    self.settings = settings
    self.hub = hub
    self.now = now
  }

  /// Why it cannot begin now, in one sentence; nil if it can.
  public var obstacle: String? {
    guard let offer = state.offer, !state.isBusy else {
      return state.isBusy
        ? "Something is being downloaded: wait for it, or stop it."
        : "Nothing to download yet: type where the bundle is."
    }
    if offer.missing > offer.free {
      return
        "\(bytesText(offer.missing)) are to come, \(bytesText(max(0, offer.free))) are free: make "
        + "room on the device."
    }
    if network == .none { return "There is no network: connect the device." }
    if needsConsent {
      return
        "\(bytesText(offer.missing)) would come over the mobile network: allow it, or wait for "
        + "Wi-Fi."
    }
    return nil
  }

  /// Whether the user has to allow a network that may cost.
  public var needsConsent: Bool { network.isCostly && !allowsCellular }

  /// A download that the app's end interrupted, if there is one, is shown as paused.
  public func restore() async {
    guard state == .idle, let found = DownloadRecord.unfinished(shelf.folder, shelf.files) else {
      return
    }
    address = found.address.text
    apply(.restored(found))
  }

  /// Reads the manifest at ``address``: name, size, and what is there already.
  public func look() async {
    guard !state.isBusy else { return }
    do {
      let address = try BundleAddress(address, hub: hub)
      apply(.look(address))
      await working { try await self.look(at: address) }
    } catch {
      state = .failed(sentence(of: error), nil)
    }
  }

  /// Begins what is offered, or goes on with what is paused or failed; waits until it has ended.
  public func begin() async {
    guard obstacle == nil, let offer = state.offer else { return }
    apply(.begin)
    await working { try await self.bring(offer) }
  }

  /// Stops it; what came is kept.
  public func pause() { stop(.user) }

  /// Stops what is under way; what came of a download is kept.
  public func cancel() {
    if case .looking = state { work?.cancel() } else { stop(.user) }
  }

  /// Removes what came, and forgets it.
  public func discard() async {
    guard !state.isBusy else { return }
    if let offer = state.offer { DownloadRecord(offer, shelf.folder).remove(shelf.files) }
    apply(.discard)
    await shelf.refresh()
  }

  /// The network is another now: what may not go on is paused, what may goes on.
  public func networkChanged(to network: Network) {
    self.network = network
    if network == .none { stop(.offline) } else if needsConsent { stop(.cellular) } else { goOn() }
  }

  // MARK: Doing

  private func apply(_ event: DownloadState.Event) {
    if let next = state.after(event) { state = next }
  }

  private func stop(_ why: DownloadState.Pause) {
    guard case .running = state else { return }
    apply(.stop(why))
    work?.cancel()
  }

  private func goOn() {
    guard case .paused(_, _, let why) = state, why == .cellular || why == .offline, obstacle == nil
    else { return }
    Task { await begin() }
  }

  private func working(_ body: @escaping @MainActor () async throws -> Void) async {
    let work = Task {
      do {
        try await body()
      } catch is CancellationError {
        apply(.ended)
      } catch {
        apply(.failed(sentence(of: error)))
      }
    }
    self.work = work
    await withTaskCancellationHandler {
      await work.value
    } onCancel: {
      work.cancel()
    }
  }

  private func look(at address: BundleAddress) async throws {
    let record = DownloadRecord(address, shelf.folder)
    let (manifest, plan, free) = try await download(record, identity: nil).plan()
    try Task.checkCancellation()
    if shelf[manifest.identity] != nil {
      record.remove(shelf.files)
      throw MobileOError(.usage, "\(address.text): this very bundle is installed already.")
    }
    let bundle = InstalledBundle(
      manifest, folder: address.url, source: .downloaded, origin: nil)
    apply(
      .found(
        DownloadOffer(
          address: address, name: bundle.name, bundle: bundle.id, size: plan.total,
          have: plan.have, free: free)))
  }

  private func bring(_ offer: DownloadOffer) async throws {
    let record = DownloadRecord(offer, shelf.folder)
    try record.write(shelf.files)
    var speed = Speed(at: now())
    for try await event in download(record, identity: offer.bundle).run() {
      switch event {
      case .planned(let plan): apply(.planned(have: plan.have, size: plan.total))
      case .came(let bytes): apply(.came(bytes, rate: speed.came(bytes, at: now())))
      case .retrying(_, let reason, _): apply(.trouble(reason))
      case .verifying: apply(.verifying)
      case .finished(let manifest):
        await shelf.refresh()
        apply(.done(manifest.identity))
        return
      }
    }
    throw CancellationError()
  }

  private func download(_ record: DownloadRecord, identity: String?) -> Download {
    Download(
      from: record.address.url, to: record.folder, identity: identity, transport: transport,
      settings: settings, disk: shelf.files.disk)
  }
}

/// The speed of the last seconds.
package struct Speed {
  private static let window = Duration.seconds(8)
  private var samples: [(at: Duration, bytes: Int)]

  package init(at start: Duration) { samples = [(start, 0)] }

  /// Bytes a second after `bytes` more; nil until a second has passed.
  package mutating func came(_ bytes: Int, at now: Duration) -> Double? {
    samples.append((now, max(0, bytes)))
    // The oldest is a beginning: what came with it was before.
    while samples.count > 2, now - samples[1].at > Self.window { samples.removeFirst() }
    let seconds = (now - samples[0].at) / .seconds(1)
    guard seconds >= 1 else { return nil }
    return Double(samples.dropFirst().reduce(0) { $0 + $1.bytes }) / seconds
  }
}
