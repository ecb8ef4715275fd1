import MobileOApp
import Observation

/// What the screens need of the platform and cannot make themselves.
@MainActor @Observable
public final class Tools {
  /// Pictures of the camera.
  let camera: CameraSource
  /// Reads answers aloud.
  let speaker: Speaker
  /// Runs self-tests; nil where there is none.
  let tester: SelfTester?

  /// These tools.
  public init(camera: CameraSource, speaker: Speaker, tester: SelfTester?) {
    (self.camera, self.speaker, self.tester) = (camera, speaker, tester)
  }
}
