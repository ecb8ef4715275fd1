import Foundation

/// What lies at a place in the file system, links not followed.
package enum FileKind: Equatable {
  case file(size: Int)
  case folder
  case link
  case other
  case missing
}

package enum Files {
  /// The largest JSON that anybody writes, the tokenizer of a big vocabulary, has some ten megabytes.
  package static let largestJSON = 1 << 27

  /// What lies at `path` itself.
  package static func kind(_ path: String) -> FileKind {
    guard let found = try? FileManager.default.attributesOfItem(atPath: path),
      let type = found[.type] as? FileAttributeType
    else { return .missing }
    switch type {
    case .typeRegular: return .file(size: (found[.size] as? NSNumber)?.intValue ?? 0)
    case .typeDirectory: return .folder
    case .typeSymbolicLink: return .link
    default: return .other
    }
  }

  /// The same of what a link at `path` leads to.
  package static func target(_ path: String) -> FileKind {
    let found = kind(path)
    if found != .link { return found }
    return kind(URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
  }

  /// The bytes of a plain file of at most `limit` bytes; the problem says why there are none.
  package static func read(_ path: String, limit: Int = largestJSON) throws -> [UInt8] {
    switch target(path) {
    case .missing: throw JSONReader.Problem(reason: "no such file")
    case .file(let size) where size > limit:
      throw JSONReader.Problem(reason: "\(size) bytes, at most \(limit) are read")
    case .file: break
    default: throw JSONReader.Problem(reason: "not a plain file")
    }
    let url = URL(fileURLWithPath: path)
    guard let data = try? Data(contentsOf: url, options: .mappedIfSafe) else {
      throw JSONReader.Problem(reason: "it cannot be read")
    }
    return [UInt8](data)
  }

  /// The JSON document in a plain file.
  package static func json(_ path: String, limit: Int = largestJSON) throws -> JSONValue {
    try JSONReader.document(read(path, limit: limit))
  }

  /// Everything below `folder` that is no plain folder, by relative path with forward slashes;
  /// links are named and not followed.
  package static func everything(below folder: String) throws -> [String] {
    var found: [String] = []
    var pending = [""]
    while let relative = pending.popLast() {
      let here = relative.isEmpty ? folder : folder + "/" + relative
      for name in try FileManager.default.contentsOfDirectory(atPath: here) {
        let path = relative.isEmpty ? name : relative + "/" + name
        if kind(folder + "/" + path) == .folder { pending.append(path) } else { found.append(path) }
      }
    }
    return found
  }

  /// Writes `bytes` to `path`, whole or not at all.
  package static func write(_ bytes: [UInt8], to path: String) throws {
    do {
      try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw MobileOError(
        .usage, "\(path): cannot be written; choose a folder that is there and yours")
    }
  }
}
