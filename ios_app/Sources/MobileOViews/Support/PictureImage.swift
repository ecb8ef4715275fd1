import CoreGraphics
import Foundation
import MobileO
import SwiftUI

/// A picture with the words that stand for it where it is not seen.
struct PictureImage: View {
  let picture: Picture
  let label: Text

  var body: some View {
    if let image = picture.cgImage {
      Image(image, scale: 1, label: label)
        .resizable()
        .interpolation(.medium)
        .scaledToFit()
        .clipShape(.rect(cornerRadius: 12))
    } else {
      Label("There is no memory to show this picture.", systemImage: "photo")
        .foregroundStyle(.secondary)
    }
  }
}

extension Picture {
  /// As the system draws it, in sRGB; nil where there is no memory for it.
  var cgImage: CGImage? {
    guard let space = CGColorSpace(name: CGColorSpace.sRGB),
      let provider = CGDataProvider(data: NSData(data: Data(rgb)) as CFData)
    else { return nil }
    return CGImage(
      width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 24, bytesPerRow: width * 3,
      space: space, bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue),
      provider: provider, decode: nil, shouldInterpolate: true, intent: .defaultIntent)
  }
}
