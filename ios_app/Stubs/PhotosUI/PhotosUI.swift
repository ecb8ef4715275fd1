// Stand-in for PhotosUI on Linux: signatures only, of what is used.
@_exported import SwiftUI

/// developer.apple.com/documentation/photosui/photospickeritem
@available(iOS 16, macOS 13, *)
public struct PhotosPickerItem: Equatable, Hashable, Sendable {
  /// developer.apple.com/documentation/photosui/photospickeritem/loadtransferable(type:)
  public func loadTransferable<T: Transferable>(type: T.Type) async throws -> sending T? {
    fatalError("a stand-in")
  }
}

/// developer.apple.com/documentation/photos/phpickerfilter
@available(iOS 14, macOS 13, *)
public struct PHPickerFilter: Equatable, Hashable, Sendable {
  /// developer.apple.com/documentation/photosui/phpickerfilter/images
  public static var images: PHPickerFilter { fatalError("a stand-in") }
}

@available(iOS 16, macOS 13, *)
extension View {
  /// developer.apple.com/documentation/swiftui/view/photospicker(ispresented:selection:matching:preferreditemencoding:)
  nonisolated public func photosPicker(
    isPresented: Binding<Bool>, selection: Binding<PhotosPickerItem?>,
    matching filter: PHPickerFilter? = nil
  ) -> some View { StandInView.trap }
}
