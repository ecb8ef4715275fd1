import AVFoundation
import CoreMedia
import CoreVideo
import Foundation
import MobileO
import MobileOApp

/// Pictures of a camera, upright, not mirrored and in sRGB, as long as they are read.
///
/// The session is set up before anybody else knows of it, and after that used on the queue only. All
/// sessions share the queue: one camera has stopped before the other starts.
final class CameraFeed: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable
{
  /// What the app's models take.
  static let source = CameraSource(
    facings: { Facing.allCases.filter { device($0) != nil } }, frames: { try await frames($0) })

  private static let queue = DispatchQueue(label: "camera")
  private let session = AVCaptureSession()
  private let continuation: AsyncStream<Picture>.Continuation

  private init(_ continuation: AsyncStream<Picture>.Continuation) {
    self.continuation = continuation
  }

  /// The camera that looks that way; nil where the device has none.
  private static func device(_ facing: Facing) -> AVCaptureDevice? {
    AVCaptureDevice.default(
      .builtInWideAngleCamera, for: .video, position: facing == .front ? .front : .back)
  }

  private static func frames(_ facing: Facing) async throws -> AsyncStream<Picture> {
    guard await AVCaptureDevice.requestAccess(for: .video) else {
      throw MobileOError(
        .usage,
        String(localized: "The app may not use the camera: allow it in the system's settings."))
    }
    let (stream, continuation) = AsyncStream.makeStream(
      of: Picture.self, bufferingPolicy: .bufferingNewest(1))
    let feed = CameraFeed(continuation)
    try feed.configure(facing)
    continuation.onTermination = { _ in feed.stop() }
    queue.async { feed.session.startRunning() }
    return stream
  }

  private func configure(_ facing: Facing) throws {
    // A computer's camera looks no way.
    guard let device = Self.device(facing) ?? AVCaptureDevice.default(for: .video) else {
      throw MobileOError(
        .usage, String(localized: "There is no camera on this device: attach a picture instead."))
    }
    let input = try AVCaptureDeviceInput(device: device)
    let output = AVCaptureVideoDataOutput()
    output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
    output.alwaysDiscardsLateVideoFrames = true
    output.setSampleBufferDelegate(self, queue: Self.queue)
    session.beginConfiguration()
    defer { session.commitConfiguration() }
    if session.canSetSessionPreset(.hd1280x720) { session.sessionPreset = .hd1280x720 }
    guard session.canAddInput(input), session.canAddOutput(output) else {
      throw MobileOError(
        .usage, String(localized: "The camera is in use by another app: close it, and try again."))
    }
    session.addInput(input)
    session.addOutput(output)
    // The system may mirror a front camera, as for a mirror on the screen; the model is to read writing.
    if let connection = output.connection(with: .video), connection.isVideoMirroringSupported {
      connection.automaticallyAdjustsVideoMirroring = false
      connection.isVideoMirrored = false
    }
    #if os(iOS)
      // A phone is held upright; its sensor lies on its side.
      if let connection = output.connection(with: .video),
        connection.isVideoRotationAngleSupported(90)
      {
        connection.videoRotationAngle = 90
      }
    #endif
  }

  private func stop() {
    Self.queue.async { self.session.stopRunning() }
  }

  func captureOutput(
    _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer,
    from connection: AVCaptureConnection
  ) {
    guard let buffer = sampleBuffer.imageBuffer, let picture = Self.picture(buffer) else { return }
    continuation.yield(picture)
  }

  /// Blue, green, red and an unused byte of each pixel, as red, green and blue.
  private static func picture(_ buffer: CVPixelBuffer) -> Picture? {
    CVPixelBufferLockBaseAddress(buffer, .readOnly)
    defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
    guard let base = CVPixelBufferGetBaseAddress(buffer) else { return nil }
    let (width, height) = (CVPixelBufferGetWidth(buffer), CVPixelBufferGetHeight(buffer))
    let stride = CVPixelBufferGetBytesPerRow(buffer)
    let rgb = [UInt8](unsafeUninitializedCapacity: width * height * 3) { rgb, filled in
      for row in 0..<height {
        let line = UnsafeRawBufferPointer(start: base + row * stride, count: width * 4)
        for column in 0..<width {
          let to = (row * width + column) * 3
          rgb[to] = line[column * 4 + 2]
          rgb[to + 1] = line[column * 4 + 1]
          rgb[to + 2] = line[column * 4]
        }
      }
      filled = width * height * 3
    }
    return try? Picture(width: width, height: height, rgb: rgb)
  }
}
