import MobileOApp
import Observation

/// What the screens need of the platform and cannot make themselves.
@MainActor @Observable
public final class Tools {
  /// Pictures of the camera.
  let camera: CameraSource
  /// Reads answers aloud.
  let speaker: Speaker

  /// These tools.
  public init(camera: CameraSource, speaker: Speaker) {
    (self.camera, self.speaker) = (camera, speaker)
  }
}
