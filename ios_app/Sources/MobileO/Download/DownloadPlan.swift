/// What is there of a bundle, and what is still to come.
public struct DownloadPlan: Sendable, Equatable {
  /// A file, and how much of it is there.
  public struct Item: Sendable, Equatable {
    /// As the manifest lists it.
    public let file: Manifest.File
    /// Bytes that are there and good as far as anybody knows before the end.
    public let have: Int
    /// Whether nothing of it has to be asked for.
    public let isWhole: Bool
  }

  /// In the manifest's order.
  public let items: [Item]

  /// Of the whole bundle but its manifest, in bytes.
  public var total: Int { items.reduce(0) { $0.plus($1.file.size) } }
  /// Bytes that are there.
  public var have: Int { items.reduce(0) { $0.plus($1.have) } }
  /// Bytes that are still to come.
  public var missing: Int { items.reduce(0) { $0.plus($1.file.size - $1.have) } }

  init(items: [Item]) { self.items = items }

  /// Compares a manifest with what an earlier download left.
  ///
  /// - Parameters:
  ///   - place: where the bundle is, for errors.
  ///   - whole: sizes of finished files, by path.
  ///   - parts: sizes of what is there of others, by sha256.
  /// - Throws: ``MobileOError`` of kind `bundle`: a path of the manifest is not to be written to.
  package init(
    _ manifest: Manifest, at place: String, whole: [Exact: Int] = [:], parts: [String: Int] = [:]
  ) throws {
    try Self.check(manifest, place)
    items = manifest.files.map { file in
      if whole[Exact(file.path)] == file.size {
        return Item(file: file, have: file.size, isWhole: true)
      }
      let part = parts[file.sha256] ?? 0
      return Item(file: file, have: part <= file.size ? part : 0, isWhole: false)
    }
  }

  /// Fails unless what is missing fits in `free` bytes.
  ///
  /// - Throws: ``MobileOError`` of kind `space`, with both figures.
  public func check(free: Int, in folder: String) throws {
    if missing > free {
      throw MobileOError(
        .space,
        "\(folder): the download needs \(bytesText(missing)), \(bytesText(max(0, free))) are free; "
          + "make room, or choose a folder elsewhere")
    }
  }

  /// Refuses paths that leave the folder, name it twice, or stand in each other's way.
  private static func check(_ manifest: Manifest, _ place: String) throws {
    func refuse(_ path: String, _ why: String) -> MobileOError {
      MobileOError(
        .bundle, "\(place)/\(Manifest.fileName): file path '\(path)' \(why); do not trust it")
    }
    let files = Set(try Seal.listed(place, manifest).keys)
    for file in manifest.files {
      let names = file.path.split(separator: "/", omittingEmptySubsequences: false)
      if names.contains(where: { $0.isEmpty || $0 == "." }) {
        throw refuse(file.path, "is not in its plainest form")
      }
      if file.path.lowercased() == Manifest.fileName {
        throw refuse(file.path, "is the manifest's own")
      }
      if file.size < 0 { throw refuse(file.path, "has \(file.size) bytes") }
      for count in 1..<names.count
      where files.contains(Exact(names.prefix(count).joined(separator: "/"))) {
        throw refuse(file.path, "lies in a file")
      }
    }
  }
}
