import Foundation
import MobileO

/// Where a bundle is on the network: an address, or the id of a repository on the hub.
public struct BundleAddress: Sendable, Equatable {
  /// The folder that holds the manifest.
  public let url: URL
  /// As it was typed.
  public let text: String

  /// The hub whose ids are understood.
  public static let hub = "https://huggingface.co"

  /// Of `https://…` (`http://…` too), or of `owner/name`, `owner/name@revision`.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: it is neither.
  public init(_ typed: String, hub: String = BundleAddress.hub) throws {
    text = oneLine(typed, longest: 500)
    if let found = URL(string: text), ["http", "https"].contains(found.scheme?.lowercased() ?? ""),
      found.host?.isEmpty == false
    {
      url = found
      return
    }
    let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let names = (halves.first ?? "").split(separator: "/", omittingEmptySubsequences: false)
    let revision = halves.count == 2 ? String(halves[1]) : "main"
    guard names.count == 2, names.allSatisfy({ Self.isName($0) }), Self.isName(revision[...]),
      let found = URL(string: "\(hub)/\(names[0])/\(names[1])/resolve/\(revision)")
    else {
      throw MobileOError(
        .usage,
        "'\(oneLine(typed, longest: 100))' is no address: type https://… of the bundle's folder, or "
          + "owner/name of a repository on the hub, with @revision where it is not main.")
    }
    url = found
  }

  /// The same place, typed in another way.
  func typed(_ text: String) -> BundleAddress { BundleAddress(url: url, text: oneLine(text)) }

  private init(url: URL, text: String) { (self.url, self.text) = (url, text) }

  /// Letters, digits and `._-`, and not `.` or `..`.
  private static func isName(_ text: Substring) -> Bool {
    !text.isEmpty && text.contains { $0 != "." }
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
