import Foundation
import MobileO

/// Pictures that another program of ours put down for the app: the share extension, which is a process
/// of its own.
public struct Inbox: Sendable {
  /// The most that is taken of one picture, in bytes.
  public static let largest = 100_000_000

  /// The key of an Info.plist under which the group of the app and its extension stands.
  public static let groupKey = "MobileOAppGroup"

  private let folder: String
  private let disk: Disk

  /// The inbox in `folder`, which is made when the first picture comes.
  public init(folder: URL, disk: Disk = .real) {
    self.folder = folder.path
    self.disk = disk
  }

  /// The inbox of the group that this program's Info.plist names; nil where it has none.
  ///
  /// - Parameter container: the folder of a group, as the system gives it.
  public static func ofGroup(container: (_ group: String) -> URL?) -> Inbox? {
    guard let group = Bundle.main.object(forInfoDictionaryKey: groupKey) as? String,
      let folder = container(group)
    else { return nil }
    return Inbox(folder: folder.appendingPathComponent("Inbox"))
  }

  /// Puts a picture file down, whole or not at all.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: it is too large; of kind `space`: it cannot be written.
  public func put(_ picture: [UInt8], id: UUID = UUID()) throws {
    guard picture.count <= Self.largest else {
      throw MobileOError(
        .usage,
        "The picture takes \(bytesText(picture.count)), at most \(bytesText(Self.largest)) are taken: "
          + "make it smaller first.")
    }
    try disk.makeFolder(folder)
    try disk.replace(folder + "/" + id.uuidString, with: picture)
  }

  /// Takes one picture out; nil when there is none. What cannot be read is gone after that too.
  public func take() throws -> [UInt8]? {
    let names = try disk.names(folder).filter { !$0.hasSuffix(Disk.partial) }
    guard let name = names.first else { return nil }
    let path = folder + "/" + name
    defer { try? disk.remove(path) }
    return try disk.read(path)
  }
}
