// Stand-in for CoreMedia on Linux: signatures only, of what is used.
import CoreVideo

/// developer.apple.com/documentation/coremedia/cmsamplebuffer
public final class CMSampleBuffer {
  init() { fatalError("a stand-in") }
}
/// developer.apple.com/documentation/coremedia/cmsamplebuffer/imagebuffer
extension CMSampleBuffer {
  /// developer.apple.com/documentation/coremedia/cmsamplebuffer/imagebuffer
  public var imageBuffer: CVImageBuffer? { fatalError("a stand-in") }
}
