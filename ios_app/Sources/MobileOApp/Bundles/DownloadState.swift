import MobileO

/// What the device reaches the network by.
public enum Network: String, Sendable, CaseIterable {
  case wifi, wired, cellular, none
  /// Nobody can say.
  case unknown

  /// Whether what comes may cost the user: asked for before.
  public var isCostly: Bool { self == .cellular }
}

/// A bundle that can be downloaded.
public struct DownloadOffer: Sendable, Equatable {
  /// Where it is.
  public let address: BundleAddress
  /// What it was made of.
  public let name: String
  /// The identity of its manifest.
  public let bundle: InstalledBundle.ID
  /// Of all its files, in bytes.
  public let size: Int
  /// Bytes that an earlier download left.
  public let have: Int
  /// Free bytes on the device.
  public let free: Int

  /// An offer.
  public init(
    address: BundleAddress, name: String, bundle: InstalledBundle.ID, size: Int, have: Int,
    free: Int
  ) {
    (self.address, self.name, self.bundle) = (address, name, bundle)
    (self.size, self.have, self.free) = (size, have, free)
  }

  /// Bytes that are still to come.
  public var missing: Int { max(0, size - have) }
}

/// How far a download is.
public struct DownloadProgress: Sendable, Equatable {
  /// Bytes that are there.
  public internal(set) var have: Int
  /// Of how many.
  public internal(set) var size: Int
  /// Bytes a second, of the last seconds; nil until it is known.
  public internal(set) var rate: Double?
  /// Whether all is there and is hashed once more.
  public internal(set) var isVerifying = false
  /// Why the connection failed last, if it is being tried again.
  public internal(set) var trouble: String?

  /// How long the rest takes at this rate; nil until it is known.
  public var timeLeft: Duration? {
    guard let rate, rate > 0 else { return nil }
    return .seconds(min(Double(max(0, size - have)) / rate, 1e7))
  }
}

/// Where a download stands.
///
///     idle ─ look ─► looking ─ found ─► offered ─ begin ─► running ─ done ─► finished
///                       └ failed, cancelled                 │  └ failed ─► failed
///                                                         stop
///                          paused ◄─ ended ─ stopping ◄────┘ (or finished, or failed)
///
/// From `paused` and `failed` it `begin`s again where an offer is known; `discard` leads from anything
/// that is not under way to `idle`, and so does `looking` when it is cancelled.
public enum DownloadState: Sendable, Equatable {
  case idle
  /// Its manifest is being read.
  case looking(BundleAddress)
  /// Size and space are known: the user decides.
  case offered(DownloadOffer)
  case running(DownloadOffer, DownloadProgress)
  /// What is in flight ends.
  case stopping(DownloadOffer, DownloadProgress, Pause)
  /// What came is kept, also when the app is killed.
  case paused(DownloadOffer, DownloadProgress, Pause)
  case finished(InstalledBundle.ID)
  /// In one sentence; what came is kept.
  case failed(String, DownloadOffer?)

  /// Why it waits.
  public enum Pause: String, Sendable {
    /// The user said so.
    case user
    /// The network is one that the user did not allow: it goes on when there is another.
    case cellular
    /// There is no network: it goes on when there is one.
    case offline
    /// The app was ended.
    case ended
  }

  /// What may happen.
  public enum Event: Sendable, Equatable {
    case look(BundleAddress)
    case found(DownloadOffer)
    case begin
    case planned(have: Int, size: Int)
    case came(Int, rate: Double?)
    case trouble(String)
    case verifying
    case stop(Pause)
    /// It ended before it was done.
    case ended
    case done(InstalledBundle.ID)
    case failed(String)
    case restored(DownloadOffer)
    case discard
  }

  /// Whether something is under way.
  public var isBusy: Bool {
    switch self {
    case .looking, .running, .stopping: true
    default: false
    }
  }

  /// What is, or was, to be downloaded.
  public var offer: DownloadOffer? {
    switch self {
    case .offered(let offer), .running(let offer, _), .stopping(let offer, _, _),
      .paused(let offer, _, _):
      offer
    case .failed(_, let offer): offer
    default: nil
    }
  }

  /// How far it is, or was.
  public var progress: DownloadProgress? {
    switch self {
    case .running(_, let progress), .stopping(_, let progress, _), .paused(_, let progress, _):
      progress
    default: nil
    }
  }

  /// The state after `event`; nil where it cannot happen.
  public func after(_ event: Event) -> DownloadState? {
    switch (self, event) {
    case (_, .look(let address)): isBusy ? nil : .looking(address)
    case (_, .discard): isBusy || self == .idle ? nil : .idle
    case (.looking, .found(let offer)): .offered(offer)
    case (.looking, .ended): .idle
    case (.looking, .failed(let why)): .failed(why, nil)
    case (.idle, .restored(let offer)): .paused(offer, DownloadProgress(offer), .ended)
    case (.offered(let offer), .begin), (.failed(_, let offer?), .begin):
      .running(offer, DownloadProgress(offer))
    case (.paused(let offer, let progress, _), .begin):
      .running(offer, DownloadProgress(have: progress.have, size: progress.size))
    case (.running(let offer, let progress), .stop(let why)): .stopping(offer, progress, why)
    case (.running(let offer, let progress), .ended): .paused(offer, progress, .user)
    case (.stopping(let offer, let progress, let why), .ended): .paused(offer, progress, why)
    case (.running, .done(let id)), (.stopping, .done(let id)): .finished(id)
    case (.running(let offer, _), .failed(let why)), (.stopping(let offer, _, _), .failed(let why)):
      .failed(why, offer)
    case (.running(let offer, let progress), _):
      progress.after(event).map { .running(offer, $0) }
    case (.stopping(let offer, let progress, let why), _):
      progress.after(event).map { .stopping(offer, $0, why) }
    default: nil
    }
  }
}

extension DownloadProgress {
  init(_ offer: DownloadOffer) { self.init(have: offer.have, size: offer.size) }

  init(have: Int, size: Int) {
    self.have = have
    self.size = size
  }

  /// With what an event adds; nil of what does not follow.
  fileprivate func after(_ event: DownloadState.Event) -> DownloadProgress? {
    var next = self
    switch event {
    case .planned(let have, let size):
      (next.have, next.size, next.isVerifying) = (have, size, false)
    case .came(let bytes, let rate):
      // Less than none where something has to come again.
      (next.have, next.rate, next.trouble) = (
        max(0, min(size, have + bytes)), rate ?? self.rate, nil
      )
    case .trouble(let why): next.trouble = why
    case .verifying: (next.isVerifying, next.trouble) = (true, nil)
    default: return nil
    }
    return next
  }
}
