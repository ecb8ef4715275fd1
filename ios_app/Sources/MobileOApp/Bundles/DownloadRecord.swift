import Foundation
import MobileO

/// What is kept beside a download, so that the next start of the app knows what it is.
struct DownloadRecord: Sendable {
  let address: BundleAddress
  /// Where the bundle appears.
  let folder: String
  private let offer: DownloadOffer?

  init(_ address: BundleAddress, _ shelf: String) {
    self.init(address, nil, shelf)
  }

  init(_ offer: DownloadOffer, _ shelf: String) {
    self.init(offer.address, offer, shelf)
  }

  private init(_ address: BundleAddress, _ offer: DownloadOffer?, _ shelf: String) {
    self.address = address
    self.offer = offer
    let digest = SHA256Digest.of(Array(address.url.absoluteString.utf8))
    folder = shelf + "/" + ShelfReader.download + digest.prefix(16)
  }

  /// Writes it, before the first byte comes.
  func write(_ files: BundleFiles) throws {
    guard let offer else { return }
    let content: JSONValue = [
      "source": .string(InstalledBundle.Source.downloaded.rawValue),
      "origin": .string(address.url.absoluteString), "address": .string(address.text),
      "name": .string(offer.name), "bundle": .string(offer.bundle), "size": .integer(offer.size),
    ]
    try files.write(folder + ".json", Array((content.text + "\n").utf8))
  }

  /// Removes it, and all that came.
  func remove(_ files: BundleFiles) {
    try? files.remove(folder + ".part")
    try? files.remove(folder + ".json")
  }

  /// The first download in `shelf` that is not finished; nil of none, or of a damaged record.
  static func unfinished(_ shelf: String, _ files: BundleFiles) -> DownloadOffer? {
    for part in ShelfReader.unfinished(shelf) {
      let path = part.dropLast(".part".count) + ".json"
      guard let content = try? Files.json(String(path), limit: 1 << 20),
        let typed = content["address"]?.string, let origin = content["origin"]?.string,
        let name = content["name"]?.string, let bundle = content["bundle"]?.string,
        let size = content["size"]?.integer, let address = try? BundleAddress(origin)
      else { continue }
      let have = BundleFiles.size(of: part + "/files") + BundleFiles.size(of: part + "/parts")
      return DownloadOffer(
        address: address.typed(typed), name: oneLine(name, longest: 80), bundle: bundle,
        size: size, have: min(have, size), free: files.free(shelf))
    }
    return nil
  }
}
