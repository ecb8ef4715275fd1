import Foundation
import MobileO

extension AppModel {
  /// A conversation to begin or to go on with; nil while no bundle is ready.
  public func conversation(_ saved: Conversation = Conversation()) -> ConversationModel? {
    guard let studio, let library else { return nil }
    return ConversationModel(saved, studio: studio, library: library)
  }

  /// The camera; nil while no bundle is ready.
  public func camera(_ source: CameraSource, speaker: Speaker = .silent) -> CameraModel? {
    studio.map { CameraModel(studio: $0, source: source, speaker: speaker, heat: device.heat) }
  }

  /// The self-test of the open bundle; nil while none is ready.
  public func selfTest(_ tester: SelfTester = .trace) -> SelfTestModel? {
    guard let studio, let bundle else { return nil }
    return SelfTestModel(
      studio: studio, bundle: bundle.folder, tester: tester, device: device,
      reports: places.reports, disk: disk)
  }

  /// The benchmark of the open bundle; nil while none is ready.
  public func benchmark() -> BenchmarkModel? {
    guard let studio else { return nil }
    return BenchmarkModel(
      studio: studio, engine: { [weak self] in self?.engine }, device: device,
      reports: places.reports, disk: disk)
  }
}
