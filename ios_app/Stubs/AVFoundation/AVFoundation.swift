// Stand-in for AVFoundation on Linux: signatures only, of what is used.
@_exported import CoreMedia
@_exported import CoreVideo
import Dispatch
@_exported import FoundationMembers
import UIKit

/// developer.apple.com/documentation/avfoundation/avmediatype
public struct AVMediaType: Hashable, Sendable {
  /// developer.apple.com/documentation/avfoundation/avmediatype/video
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
    /// developer.apple.com/documentation/avfoundation/avcapturedevice/devicetype/builtinwideanglecamera
    public static let builtInWideAngleCamera: DeviceType = standIn()
  }
  /// developer.apple.com/documentation/avfoundation/avcapturedevice/default(_:for:position:)
  open class func `default`(
    _ deviceType: DeviceType, for mediaType: AVMediaType?, position: Position
  ) -> AVCaptureDevice? { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturedevice/default(for:)
  open class func `default`(for mediaType: AVMediaType) -> AVCaptureDevice? { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturedevice/authorizationstatus(for:)
  open class func authorizationStatus(for mediaType: AVMediaType) -> AVAuthorizationStatus {
    standIn()
  }
  /// developer.apple.com/documentation/avfoundation/avcapturedevice/requestaccess(for:)
  open class func requestAccess(for mediaType: AVMediaType) async -> Bool { standIn() }
}

/// developer.apple.com/documentation/avfoundation/avcaptureinput
open class AVCaptureInput: NSObject {}
/// developer.apple.com/documentation/avfoundation/avcapturedeviceinput
open class AVCaptureDeviceInput: AVCaptureInput {
  /// developer.apple.com/documentation/avfoundation/avcapturedeviceinput/init(device:)
  public init(device: AVCaptureDevice) throws { standIn() }
}
/// developer.apple.com/documentation/avfoundation/avcaptureoutput
open class AVCaptureOutput: NSObject {
  /// developer.apple.com/documentation/avfoundation/avcaptureoutput/connection(with:)
  open func connection(with mediaType: AVMediaType) -> AVCaptureConnection? { standIn() }
}
/// developer.apple.com/documentation/avfoundation/avcaptureconnection
open class AVCaptureConnection: NSObject {
  /// developer.apple.com/documentation/avfoundation/avcaptureconnection/videorotationangle
  @available(iOS 17, macOS 14, *)
  open var videoRotationAngle: CGFloat {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/avfoundation/avcaptureconnection/isvideorotationanglesupported(_:)
  @available(iOS 17, macOS 14, *)
  open func isVideoRotationAngleSupported(_ videoRotationAngle: CGFloat) -> Bool { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcaptureconnection/isvideomirroringsupported
  open var isVideoMirroringSupported: Bool { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcaptureconnection/isvideomirrored
  open var isVideoMirrored: Bool {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/avfoundation/avcaptureconnection/automaticallyadjustsvideomirroring
  open var automaticallyAdjustsVideoMirroring: Bool {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/avfoundation/avcapturevideodataoutputsamplebufferdelegate
public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
  func captureOutput(
    _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer,
    from connection: AVCaptureConnection)
}

/// developer.apple.com/documentation/avfoundation/avcapturevideodataoutput
open class AVCaptureVideoDataOutput: AVCaptureOutput {
  /// developer.apple.com/documentation/avfoundation/avcapturevideodataoutput/init()
  public override init() { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturevideodataoutput/setsamplebufferdelegate(_:queue:)
  open func setSampleBufferDelegate(
    _ sampleBufferDelegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?,
    queue sampleBufferCallbackQueue: DispatchQueue?
  ) { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturevideodataoutput/videosettings
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  open var videoSettings: [String: Any]! {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/avfoundation/avcapturevideodataoutput/alwaysdiscardslatevideoframes
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
    /// developer.apple.com/documentation/avfoundation/avcapturesession/preset/hd1280x720
    public static let hd1280x720: Preset = standIn()
  }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/init()
  public override init() { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/cansetsessionpreset(_:)
  open func canSetSessionPreset(_ preset: Preset) -> Bool { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/sessionpreset
  open var sessionPreset: Preset {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/inputs
  open var inputs: [AVCaptureInput] { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/beginconfiguration()
  open func beginConfiguration() { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/commitconfiguration()
  open func commitConfiguration() { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/canaddinput(_:)
  open func canAddInput(_ input: AVCaptureInput) -> Bool { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/addinput(_:)
  open func addInput(_ input: AVCaptureInput) { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/removeinput(_:)
  open func removeInput(_ input: AVCaptureInput) { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/canaddoutput(_:)
  open func canAddOutput(_ output: AVCaptureOutput) -> Bool { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/addoutput(_:)
  open func addOutput(_ output: AVCaptureOutput) { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/startrunning()
  open func startRunning() { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturesession/stoprunning()
  open func stopRunning() { standIn() }
}

/// developer.apple.com/documentation/avfoundation/avlayervideogravity
public struct AVLayerVideoGravity: Hashable, Sendable {
  /// developer.apple.com/documentation/avfoundation/avlayervideogravity/resizeaspect
  public static let resizeAspect: AVLayerVideoGravity = standIn()
  /// developer.apple.com/documentation/avfoundation/avlayervideogravity/resizeaspectfill
  public static let resizeAspectFill: AVLayerVideoGravity = standIn()
}

/// developer.apple.com/documentation/avfoundation/avcapturevideopreviewlayer
open class AVCaptureVideoPreviewLayer: CALayer {
  /// developer.apple.com/documentation/avfoundation/avcapturevideopreviewlayer/init()
  public override init() { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturevideopreviewlayer/init(session:)
  public init(session: AVCaptureSession) { standIn() }
  /// developer.apple.com/documentation/avfoundation/avcapturevideopreviewlayer/session
  open var session: AVCaptureSession? {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/avfoundation/avcapturevideopreviewlayer/videogravity
  open var videoGravity: AVLayerVideoGravity {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/avfaudio/avspeechutterance
open class AVSpeechUtterance: NSObject {
  /// developer.apple.com/documentation/avfoundation/avspeechutterance/init(string:)
  public init(string: String) { standIn() }
}
/// developer.apple.com/documentation/avfaudio/avspeechboundary
public enum AVSpeechBoundary: Int, Sendable { case immediate, word }
/// developer.apple.com/documentation/avfaudio/avspeechsynthesizer
open class AVSpeechSynthesizer: NSObject {
  /// developer.apple.com/documentation/avfoundation/avspeechsynthesizer/init()
  public override init() { standIn() }
  /// developer.apple.com/documentation/avfoundation/avspeechsynthesizer/delegate
  open weak var delegate: (any AVSpeechSynthesizerDelegate)? {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/avfoundation/avspeechsynthesizer/speak(_:)
  open func speak(_ utterance: AVSpeechUtterance) { standIn() }
  /// developer.apple.com/documentation/avfoundation/avspeechsynthesizer/stopspeaking(at:)
  @discardableResult open func stopSpeaking(at boundary: AVSpeechBoundary) -> Bool { standIn() }
}

/// developer.apple.com/documentation/avfaudio/avspeechsynthesizerdelegate
public protocol AVSpeechSynthesizerDelegate: NSObjectProtocol {
  func speechSynthesizer(_ synthesizer: AVSpeechSynthesizer, didFinish utterance: AVSpeechUtterance)
}
