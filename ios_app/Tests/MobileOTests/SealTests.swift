import Foundation
import MobileO
import Testing

/// The corpus of healthy, damaged and hostile bundles that Python judges in tests/bundle.
@Suite struct SealTests {
  private static let corpus = Goldens.root + "/ios_app/Tests/Corpus/seal.json"

  @Test func verdictsAreThoseOfPython() throws {
    let corpus = try Files.json(Self.corpus)
    let cases = corpus["cases"]?.array ?? []
    var (alike, kept) = (0, 0)
    for item in cases {
      let scratch = try Scratch()
      let folder = scratch.path + (item["place"]?.string.map { "/" + $0 } ?? "")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Self.build(folder, corpus, item["changes"]?.array ?? [])
      let store = scratch.path + "/" + (item["store"]?.string ?? "models--a--b/blobs")
      try Self.moveToBlobs(item["blobs"]?.array ?? [], folder, store)
      let (code, problems, error) = Self.judge(folder)
      let name = item["name"]?.text ?? ""
      if item["unknown"] == true {
        #expect(code == 0, "\(name): unknown fields are kept")
        kept += 1
        continue
      }
      let expected = (item["problems"]?.array ?? []).map { $0.array?.compactMap(\.string) ?? [] }
      #expect(code == item["exit"]?.integer, "\(name): \(error?.description ?? "")")
      #expect(problems == expected, "\(name)")
      alike += 1
    }
    #expect(alike >= 200)
    print("committed: \(alike) bundles judged as Python judges them, \(kept) unknown fields kept")
  }

  /// What a download cache does: files become links to its blobs.
  private static func moveToBlobs(_ paths: [JSONValue], _ folder: String, _ store: String) throws {
    for path in paths.compactMap(\.string) {
      let blob = store + "/" + path.replacingOccurrences(of: "/", with: "-")
      let manager = FileManager.default
      try manager.createDirectory(atPath: store, withIntermediateDirectories: true)
      try manager.moveItem(atPath: folder + "/" + path, toPath: blob)
      try manager.createSymbolicLink(atPath: folder + "/" + path, withDestinationPath: blob)
    }
  }

  /// Exit code, problems and error of a bundle.
  private static func judge(_ folder: String) -> (Int, [[String]], MobileOError?) {
    do {
      let problems = try Seal.verify(folder, Manifest(folder: folder))
      let pairs = problems.map { [$0.kind.rawValue, $0.path] }.sorted { left, right in
        (Exact(left[0]), Exact(left[1])) < (Exact(right[0]), Exact(right[1]))
      }
      return (problems.isEmpty ? 0 : 1, pairs, nil)
    } catch let error as MobileOError {
      return (Int(error.exitCode), [], error)
    } catch {
      return (-1, [], nil)
    }
  }

  private static func build(_ folder: String, _ corpus: JSONValue, _ changes: [JSONValue]) throws {
    var content = corpus["manifest"] ?? .null
    var text: [UInt8]?
    for (path, body) in corpus["files"]?.object?.members ?? [] {
      try write(folder + "/" + path, body.string ?? "")
    }
    for change in changes {
      if let keys = change["set"]?.array {
        content = edited(content, keys[...]) { _ in change["to"] }
      } else if let keys = change["unset"]?.array {
        content = edited(content, keys[...]) { _ in nil }
      } else if let keys = change["append"]?.array {
        content = edited(content, keys[...]) { value in
          .array((value?.array ?? []) + [change["item"] ?? .null])
        }
      } else if let plain = change["text"]?.string {
        text = Array(plain.utf8)
      } else if let bytes = change["bytes"]?.integers {
        text = bytes.map { UInt8($0) }
      } else if let count = change["cut"]?.integer {
        text = Array((content.text + "\n").utf8.prefix(count))
      } else if let old = change["replace"]?.string, let new = change["by"]?.string {
        var made = content.text + "\n"
        if let place = made.range(of: old, options: .literal) {
          made.replaceSubrange(place, with: new)
        }
        text = Array(made.utf8)
      } else {
        try apply(change, folder)
      }
    }
    if !changes.contains(where: { $0["no_manifest"] != nil }) {
      try Files.write(text ?? Array(content.text.utf8), to: folder + "/" + Manifest.fileName)
    }
  }

  private static func apply(_ change: JSONValue, _ folder: String) throws {
    func place(_ key: String) -> String? { change[key]?.string.map { folder + "/" + $0 } }
    let manager = FileManager.default
    if let path = place("write") {
      try write(path, change["body"]?.string ?? "")
    } else if let path = place("remove") {
      try manager.removeItem(atPath: path)
    } else if let path = place("folder") {
      try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
    } else if let path = place("pipe") {
      #expect(mkfifo(path, 0o600) == 0)
    } else if let path = place("link") {
      try manager.createSymbolicLink(
        atPath: path, withDestinationPath: change["to"]?.string ?? "")
    }
  }

  private static func write(_ path: String, _ body: String) throws {
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    try Files.write(Array(body.utf8), to: path)
  }

  /// `value` with what lies at `keys` replaced; nil takes it out.
  private static func edited(
    _ value: JSONValue, _ keys: ArraySlice<JSONValue>, _ change: (JSONValue?) -> JSONValue?
  ) -> JSONValue {
    guard let key = keys.first else { return change(value) ?? .null }
    let rest = keys.dropFirst()
    func inner(_ old: JSONValue?) -> JSONValue? {
      rest.isEmpty ? change(old) : edited(old ?? .null, rest, change)
    }
    if let index = key.integer {
      var items = value.array ?? []
      if let new = inner(items[index]) { items[index] = new } else { items.remove(at: index) }
      return .array(items)
    }
    let name = key.string ?? ""
    var members = value.object?.members ?? []
    let new = inner(value[name])
    members.removeAll { $0.key == name }
    if let new { members.append((name, new)) }
    return .object(JSONObject(members))
  }

  @Test func aLaterVersionSaysWhatToUpdate() throws {
    let scratch = try Scratch()
    let corpus = try Files.json(Self.corpus)
    let change: JSONValue = ["set": ["schema_version"], "to": 3]
    try Self.build(scratch.path, corpus, [change])
    let error = Self.judge(scratch.path).2
    #expect(error?.description.contains("update the MobileO package") == true)
  }

  @Test(arguments: [("ios", "mlx"), ("jetson", "onnx")])
  func version1ReadsAsTheKindsThatItMeant(target: String, kind: String) throws {
    let scratch = try Scratch()
    let corpus = try Files.json(Self.corpus)
    let artifact: JSONValue = ["components", "llm", "artifacts", 0]
    let keys = artifact.array ?? []
    try Self.build(
      scratch.path, corpus,
      [
        ["set": ["schema_version"], "to": 1],
        ["unset": .array(keys + ["kind"])],
        ["set": .array(keys + ["target"]), "to": .string(target)],
      ])
    let manifest = try Manifest(folder: scratch.path)
    #expect(try manifest.component("llm").artifacts.map(\.kind) == [kind])
    #expect(manifest.content["schema_version"] == .integer(Manifest.schemaVersion))
  }

  @Test func errorsAreOneLine() throws {
    let long = String(repeating: "x", count: 5000)
    let error = MobileOError(.bundle, "a\nb\u{1B}[31m\t\(long) end")
    #expect(error.description.unicodeScalars.count <= 1000)
    #expect(error.description.hasPrefix("a b\\x1b[31m xx") && error.description.hasSuffix("x end"))
  }
}
