// Stand-in for AVFoundation on Linux: signatures only, of what is used.
@_exported import CoreMedia
@_exported import CoreVideo
import Dispatch
@_exported import FoundationMembers
import UIKit

/// developer.apple.com/documentation/avfoundation/avmediatype
public struct AVMediaType: Hashable, Sendable {
  public static let video: AVMediaType = standIn()
}

/// developer.apple.com/documentation/avfoundation/avauthorizationstatus
public enum AVAuthorizationStatus: Int, Sendable {
  case notDetermined, restricted, denied, authorized
}

/// developer.apple.com/documentation/avfoundation/avcapturedevice
open class AVCaptureDevice: NSObject {
  /// developer.apple.com/documentation/avfoundation/avcapturedevice/position-swift.enum
  public enum Position: Int, Sendable { case unspecified, back, front }
  /// developer.apple.com/documentation/avfoundation/avcapturedevice/devicetype-swift.struct
  public struct DeviceType: Hashable, Sendable {
    public static let builtInWideAngleCamera: DeviceType = standIn()
  }
  open class func `default`(
    _ deviceType: DeviceType, for mediaType: AVMediaType?, position: Position
  ) -> AVCaptureDevice? { standIn() }
  open class func `default`(for mediaType: AVMediaType) -> AVCaptureDevice? { standIn() }
  open class func authorizationStatus(for mediaType: AVMediaType) -> AVAuthorizationStatus {
    standIn()
  }
  open class func requestAccess(for mediaType: AVMediaType) async -> Bool { standIn() }
}

/// developer.apple.com/documentation/avfoundation/avcaptureinput
open class AVCaptureInput: NSObject {}
/// developer.apple.com/documentation/avfoundation/avcapturedeviceinput
open class AVCaptureDeviceInput: AVCaptureInput {
  public init(device: AVCaptureDevice) throws { standIn() }
}
/// developer.apple.com/documentation/avfoundation/avcaptureoutput
open class AVCaptureOutput: NSObject {
  open func connection(with mediaType: AVMediaType) -> AVCaptureConnection? { standIn() }
}
/// developer.apple.com/documentation/avfoundation/avcaptureconnection
open class AVCaptureConnection: NSObject {
  @available(iOS 17, macOS 14, *)
  open var videoRotationAngle: CGFloat {
    get { standIn() }
    set { standIn() }
  }
  @available(iOS 17, macOS 14, *)
  open func isVideoRotationAngleSupported(_ videoRotationAngle: CGFloat) -> Bool { standIn() }
}

/// developer.apple.com/documentation/avfoundation/avcapturevideodataoutputsamplebufferdelegate
public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
  func captureOutput(
    _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer,
    from connection: AVCaptureConnection)
}

/// developer.apple.com/documentation/avfoundation/avcapturevideodataoutput
open class AVCaptureVideoDataOutput: AVCaptureOutput {
  public override init() { standIn() }
  open func setSampleBufferDelegate(
    _ sampleBufferDelegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?,
    queue sampleBufferCallbackQueue: DispatchQueue?
  ) { standIn() }
  open var videoSettings: [String: Any]! {
    get { standIn() }
    set { standIn() }
  }
  open var alwaysDiscardsLateVideoFrames: Bool {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/corevideo/kcvpixelbufferpixelformattypekey
public let kCVPixelBufferPixelFormatTypeKey: String = standIn()

/// developer.apple.com/documentation/avfoundation/avcapturesession
open class AVCaptureSession: NSObject {
  /// developer.apple.com/documentation/avfoundation/avcapturesession/preset
  public struct Preset: Hashable, Sendable {
    public static let hd1280x720: Preset = standIn()
  }
  public override init() { standIn() }
  open func canSetSessionPreset(_ preset: Preset) -> Bool { standIn() }
  open var sessionPreset: Preset {
    get { standIn() }
    set { standIn() }
  }
  open var inputs: [AVCaptureInput] { standIn() }
  open func beginConfiguration() { standIn() }
  open func commitConfiguration() { standIn() }
  open func canAddInput(_ input: AVCaptureInput) -> Bool { standIn() }
  open func addInput(_ input: AVCaptureInput) { standIn() }
  open func removeInput(_ input: AVCaptureInput) { standIn() }
  open func canAddOutput(_ output: AVCaptureOutput) -> Bool { standIn() }
  open func addOutput(_ output: AVCaptureOutput) { standIn() }
  open func startRunning() { standIn() }
  open func stopRunning() { standIn() }
}

/// developer.apple.com/documentation/avfoundation/avlayervideogravity
public struct AVLayerVideoGravity: Hashable, Sendable {
  public static let resizeAspect: AVLayerVideoGravity = standIn()
  public static let resizeAspectFill: AVLayerVideoGravity = standIn()
}

/// developer.apple.com/documentation/avfoundation/avcapturevideopreviewlayer
open class AVCaptureVideoPreviewLayer: CALayer {
  public override init() { standIn() }
  public init(session: AVCaptureSession) { standIn() }
  open var session: AVCaptureSession? {
    get { standIn() }
    set { standIn() }
  }
  open var videoGravity: AVLayerVideoGravity {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/avfaudio/avspeechutterance
open class AVSpeechUtterance: NSObject {
  public init(string: String) { standIn() }
}
/// developer.apple.com/documentation/avfaudio/avspeechboundary
public enum AVSpeechBoundary: Int, Sendable { case immediate, word }
/// developer.apple.com/documentation/avfaudio/avspeechsynthesizer
open class AVSpeechSynthesizer: NSObject {
  public override init() { standIn() }
  open weak var delegate: (any AVSpeechSynthesizerDelegate)? {
    get { standIn() }
    set { standIn() }
  }
  open func speak(_ utterance: AVSpeechUtterance) { standIn() }
  @discardableResult open func stopSpeaking(at boundary: AVSpeechBoundary) -> Bool { standIn() }
}

/// developer.apple.com/documentation/avfaudio/avspeechsynthesizerdelegate
public protocol AVSpeechSynthesizerDelegate: NSObjectProtocol {
  func speechSynthesizer(_ synthesizer: AVSpeechSynthesizer, didFinish utterance: AVSpeechUtterance)
}
