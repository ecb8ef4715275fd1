// Stand-in for CoreTransferable, which SwiftUI exports, on Linux: signatures only, of what is used.
import FoundationMembers
import UniformTypeIdentifiers

/// developer.apple.com/documentation/coretransferable/transferable
@available(iOS 16, macOS 13, *)
public protocol Transferable {
  associatedtype Representation: TransferRepresentation
  @TransferRepresentationBuilder<Self> static var transferRepresentation: Representation { get }
}

/// developer.apple.com/documentation/coretransferable/transferrepresentation
@available(iOS 16, macOS 13, *)
public protocol TransferRepresentation<Item>: Sendable {
  associatedtype Item: Transferable
}
@available(iOS 16, macOS 13, *)
extension TransferRepresentation {
  /// developer.apple.com/documentation/coretransferable/transferrepresentation/suggestedfilename(_:)
  public func suggestedFileName(
    _ fileName: @escaping @Sendable (Item) -> String?
  ) -> some TransferRepresentation<Item> { standIn() as StandInRepresentation<Item> }
}

/// What representations give here: some representation.
@available(iOS 16, macOS 13, *)
public struct StandInRepresentation<Item: Transferable>: TransferRepresentation {}

/// developer.apple.com/documentation/coretransferable/transferrepresentationbuilder
@available(iOS 16, macOS 13, *)
@resultBuilder public struct TransferRepresentationBuilder<Item: Transferable> {
  /// developer.apple.com/documentation/coretransferable/transferrepresentationbuilder/buildexpression(_:)
  public static func buildExpression<Content: TransferRepresentation>(
    _ content: Content
  ) -> Content where Content.Item == Item { standIn() }
  /// developer.apple.com/documentation/coretransferable/transferrepresentationbuilder/buildblock(_:)
  public static func buildBlock<Content: TransferRepresentation>(
    _ content: Content
  ) -> Content where Content.Item == Item { standIn() }
}

/// developer.apple.com/documentation/coretransferable/datarepresentation
@available(iOS 16, macOS 13, *)
public struct DataRepresentation<Item: Transferable>: TransferRepresentation {
  /// developer.apple.com/documentation/coretransferable/datarepresentation/init(exportedcontenttype:exporting:)
  public init(
    exportedContentType: UTType, exporting: @escaping @Sendable (Item) async throws -> Data
  ) { standIn() }
}

@available(iOS 16, macOS 13, *)
extension URL: Transferable {
  /// developer.apple.com/documentation/coretransferable/url/transferrepresentation
  public static var transferRepresentation: StandInRepresentation<URL> { return standIn() }
}
@available(iOS 16, macOS 13, *)
extension String: Transferable {
  /// developer.apple.com/documentation/coretransferable/string/transferrepresentation
  public static var transferRepresentation: StandInRepresentation<String> { return standIn() }
}
@available(iOS 16, macOS 13, *)
extension Data: Transferable {
  /// developer.apple.com/documentation/coretransferable/data/transferrepresentation
  public static var transferRepresentation: StandInRepresentation<Data> { return standIn() }
}
@available(iOS 16, macOS 13, *)
extension Image: Transferable {
  /// developer.apple.com/documentation/coretransferable/image/transferrepresentation
  public static var transferRepresentation: StandInRepresentation<Image> { return standIn() }
}
