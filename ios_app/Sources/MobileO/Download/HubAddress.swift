import Foundation

extension Download {
  /// Where the files of a repository of the Hugging Face hub are, to download a bundle from.
  ///
  /// - Parameters:
  ///   - hub: `OWNER/NAME`, or `OWNER/NAME@REVISION`.
  ///   - revision: a commit, tag or branch; `main` by default.
  ///   - server: another hub than the public one.
  /// - Throws: ``MobileOError`` of kind `usage`: the names are none of a repository, or two revisions
  ///   are named.
  public static func address(
    hub: String, revision: String? = nil, server: String = "https://huggingface.co"
  ) throws -> URL {
    let pinned = hub.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let names = pinned[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard names.count == 2, names.allSatisfy(isName) else {
      throw MobileOError(.usage, "\(hub): is no hub id; expected OWNER/NAME or OWNER/NAME@REVISION")
    }
    let stated = pinned.count == 2 ? String(pinned[1]) : nil
    if let stated, let revision, stated != revision {
      throw MobileOError(.usage, "\(hub): names another revision than \(revision)")
    }
    let chosen = stated ?? revision ?? "main"
    guard isRevision(chosen),
      let quoted = chosen.addingPercentEncoding(withAllowedCharacters: plain),
      let url = URL(string: "\(server)/\(names[0])/\(names[1])/resolve/\(quoted)")
    else {
      throw MobileOError(.usage, "\(hub): '\(chosen)' is no commit, tag or branch")
    }
    return url
  }

  private static let plain = CharacterSet(
    charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")

  /// As `mobileo-export` has it: 1 to 96 letters, digits, `_`, `-` and `.`, a letter or digit first.
  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= 96 else { return false }
    return isLetterOrDigit(first)
      && text.utf8.allSatisfy { isLetterOrDigit($0) || "_-.".utf8.contains($0) }
      && !text.contains("..")
  }

  /// What git allows and an address can hold: no blanks and controls, no `..`.
  private static func isRevision(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 200 && !text.contains("..") && !text.hasPrefix("/")
      && !text.hasSuffix("/") && text != "."
      && text.utf8.allSatisfy { isLetterOrDigit($0) || "_-./+".utf8.contains($0) }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
  }
}
