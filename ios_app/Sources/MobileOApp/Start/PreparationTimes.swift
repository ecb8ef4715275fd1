import MobileO

/// How long each component of each bundle took to be prepared the last time, in a JSON file.
///
/// It is best effort: what cannot be read or written is not known.
struct PreparationTimes {
  private let path: String
  private let disk: Disk

  init(path: String, disk: Disk) {
    (self.path, self.disk) = (path, disk)
  }

  /// Of a component in the bundle with this identity.
  func last(_ component: String, of bundle: String) -> Duration? {
    guard let seconds = content[bundle]?[component]?.double, seconds.isFinite, seconds >= 0,
      seconds < 1e6
    else { return nil }
    return .seconds(seconds)
  }

  /// Keeps what it took now.
  func keep(_ time: Duration, _ component: String, of bundle: String) {
    var seconds = members(content[bundle])
    seconds[component] = .number(time / .seconds(1))
    var all = members(content)
    all[bundle] = Self.object(seconds)
    try? disk.replace(path, with: Array(Self.object(all).text.utf8))
  }

  private var content: JSONValue {
    guard let bytes = try? disk.read(path), let found = try? JSONReader.document(bytes) else {
      return .object(JSONObject([]))
    }
    return found
  }

  private func members(_ value: JSONValue?) -> [String: JSONValue] {
    Dictionary(
      (value?.object?.members ?? []).map { ($0.key, $0.value) },
      uniquingKeysWith: { _, last in last })
  }

  private static func object(_ members: [String: JSONValue]) -> JSONValue {
    .object(JSONObject(members.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }))
  }
}
