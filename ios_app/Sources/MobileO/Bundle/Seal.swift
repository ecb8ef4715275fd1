import Foundation

/// Whether the files of a bundle are those that were sealed.
///
/// It finds accidents, such as a server's error page under the name of a package. It is no
/// signature: whoever can change a file can change the manifest.
public enum Seal {
  /// One way in which a bundle is not what its manifest says.
  public struct Problem: Sendable, Equatable {
    /// Words of `mobileo-export verify`.
    public enum Kind: String, Sendable {
      case missing, extra, size, content
      case notAFile = "not a file"
    }

    /// In the bundle.
    public let path: String
    /// What is wrong with it.
    public let kind: Kind
    /// A few words more.
    public let detail: String
  }

  /// Compares the files in `folder` with `manifest`; no problem means that the seal holds.
  ///
  /// Reads every byte: cancel the task to stop between two parts of a file.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: the list of files names a place outside, or a file
  ///   twice, or a file cannot be read; `CancellationError`.
  public static func verify(_ folder: String, _ manifest: Manifest) throws -> [Problem] {
    let listed = try listed(folder, manifest)
    let present = try present(folder)
    let extra = present.subtracting(listed.keys).filter { !isStray($0.text) }
    var problems = extra.sorted().map {
      Problem(path: $0.text, kind: .extra, detail: "not listed")
    }
    problems += Set(listed.keys).subtracting(present).sorted().map {
      Problem(path: $0.text, kind: .missing, detail: "listed")
    }
    var sameSize: [Manifest.File] = []
    for (path, file) in listed.sorted(by: { $0.key < $1.key }) where present.contains(path) {
      guard let size = Links.size(folder + "/" + path.text) else {
        problems.append(
          Problem(path: path.text, kind: .notAFile, detail: "a link or a special file"))
        continue
      }
      if size != file.size {
        let pointer = isPointer(folder + "/" + path.text) ? "\(Self.pointer), " : ""
        problems.append(
          Problem(
            path: path.text, kind: .size, detail: "\(pointer)\(size) bytes, listed \(file.size)"))
      } else {
        sameSize.append(file)
      }
    }
    return try problems + differing(folder, sameSize, Array(listed.values))
  }

  /// Files that ``verify(_:_:)`` leaves aside, in order: what desktops and hubs add to any folder.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`, as ``verify(_:_:)``.
  public static func strays(_ folder: String, _ manifest: Manifest) throws -> [String] {
    let listed = try listed(folder, manifest)
    return try present(folder).filter { listed[$0] == nil && isStray($0.text) }.sorted()
      .map(\.text)
  }

  /// What to do about a broken seal: an extra file has to go, any other takes a new copy.
  public static func advice(_ problems: [Problem]) -> String {
    let extra = problems.filter { $0.kind == .extra }.map(\.path)
    let isClone = problems.contains { $0.detail.hasPrefix(pointer) }
    let again = isClone ? "run `git lfs pull` in its clone" : "export or download it again"
    guard let first = extra.first else { return again }
    let them = extra.count == 1 ? first : "\(first) and the other extra files"
    if extra.count == problems.count {
      return "delete \(them), or move what you keep out of the bundle"
    }
    return "\(again), and delete \(them)"
  }

  private static let pointer = "a Git LFS pointer"

  /// What a clone without `git lfs` holds in the place of a large file.
  private static func isPointer(_ path: String) -> Bool {
    let start = Array("version https://git-lfs.github.com/spec/".utf8)
    guard let file = FileHandle(forReadingAtPath: path) else { return false }
    defer { try? file.close() }
    return (try? file.read(upToCount: start.count)).map { [UInt8]($0) } == start
  }

  /// Whether no reader looks at a file: desktops drop it into folders, hubs keep it at a root.
  private static func isStray(_ path: String) -> Bool {
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    let desktop = [".ds_store", "thumbs.db", "desktop.ini"].contains(name.lowercased())
    let hub = [".git", ".gitattributes", ".gitignore", "README.md"].contains(path)
    return desktop || name.hasPrefix("._") || hub || path.hasPrefix(".git/")
      || path.hasPrefix(".cache/huggingface/")
  }

  private static func differing(
    _ folder: String, _ files: [Manifest.File], _ listed: [Manifest.File]
  ) throws -> [Problem] {
    try files.compactMap { file in
      let found = try SHA256Digest.ofFile(folder + "/" + file.path)
      if found == file.sha256 { return nil }
      let owner = listed.first { $0.sha256 == found }
      let holds = owner.map { "holds the contents of \($0.path)" } ?? "sha256 \(found.prefix(16))…"
      return Problem(
        path: file.path, kind: .content, detail: "\(holds), listed \(file.sha256.prefix(16))…")
    }
  }

  /// Files by path; the paths stay inside the bundle and are named once.
  static func listed(
    _ folder: String, _ manifest: Manifest
  ) throws -> [Exact: Manifest.File] {
    let place = folder + "/" + Manifest.fileName
    var listed: [Exact: Manifest.File] = [:]
    for file in manifest.files {
      let parts = file.path.utf8.split(separator: UInt8(ascii: "/")).filter {
        !$0.elementsEqual(".".utf8)
      }
      let leaves =
        parts.isEmpty || file.path.utf8.first == UInt8(ascii: "/")
        || parts.contains { $0.elementsEqual("..".utf8) }
        || file.path.utf8.contains { $0 == UInt8(ascii: "\\") || $0 == 0 }
      if leaves {
        throw MobileOError(
          .bundle, "\(place): file path '\(file.path)' leaves the bundle; do not trust it")
      }
      if listed.updateValue(file, forKey: Exact(file.path)) != nil {
        throw MobileOError(
          .bundle, "\(place): file path '\(file.path)' is listed twice; export again")
      }
    }
    return listed
  }

  private static func present(_ folder: String) throws -> Set<Exact> {
    do {
      let found = try Files.everything(below: folder).filter { $0 != Manifest.fileName }
      return Set(found.map { Exact($0) })
    } catch {
      throw MobileOError(
        .bundle, "\(folder): a folder in it cannot be read; check its permissions")
    }
  }
}
