import CoreGraphics
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
      let context = CGContext(
        data: nil, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 0,
        space: space, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue),
      let pixels = context.data
    else { return nil }
    let stride = context.bytesPerRow
    rgb.withUnsafeBufferPointer { rgb in
      for row in 0..<height {
        let line = pixels.advanced(by: row * stride).assumingMemoryBound(to: UInt8.self)
        for column in 0..<width {
          let from = (row * width + column) * 3
          line[column * 4] = rgb[from]
          line[column * 4 + 1] = rgb[from + 1]
          line[column * 4 + 2] = rgb[from + 2]
          line[column * 4 + 3] = 255
        }
      }
    }
    return context.makeImage()
  }
}
