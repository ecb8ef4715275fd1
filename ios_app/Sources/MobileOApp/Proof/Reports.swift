import Foundation
import MobileO

/// A report that was kept: the JSON document that is exported, and when it was made.
public struct KeptReport: Sendable, Equatable, Identifiable {
  /// The name of its file.
  public let id: String
  /// When it was made, to the second.
  public let made: Date
  /// The document.
  public let json: JSONValue

  /// What is exported.
  public var bytes: [UInt8] { Array((json.text + "\n").utf8) }
}

/// Reports of one kind in a folder, a file each.
struct ReportFolder: Sendable {
  let folder: String
  /// Such as `benchmark`: how the names of the files begin.
  let kind: String
  let disk: Disk

  /// The newest first; what cannot be read is left where it is, and what a kill left half written goes.
  func read() -> [KeptReport] {
    let names = (try? disk.names(folder)) ?? []
    for name in names where name.hasPrefix(kind + "-") && name.hasSuffix(".json" + Disk.partial) {
      try? disk.remove(folder + "/" + name)
    }
    return names.compactMap { name in
      guard name.hasPrefix(kind + "-"), name.hasSuffix(".json"),
        let seconds = Int(name.dropFirst(kind.count + 1).dropLast(5)),
        let bytes = try? disk.read(folder + "/" + name),
        let json = try? JSONReader.document(bytes)
      else { return nil }
      return KeptReport(id: name, made: Date(timeIntervalSince1970: Double(seconds)), json: json)
    }.sorted { ($0.made, $0.id) > ($1.made, $1.id) }
  }

  /// Keeps a report; one of the same second takes the next.
  func keep(_ json: JSONValue, at date: Date) throws -> KeptReport {
    try disk.makeFolder(folder)
    let taken = Set(try disk.names(folder))
    var seconds = Int(date.timeIntervalSince1970)
    while taken.contains("\(kind)-\(seconds).json") { seconds += 1 }
    let report = KeptReport(
      id: "\(kind)-\(seconds).json", made: Date(timeIntervalSince1970: Double(seconds)),
      json: json)
    try disk.replace(folder + "/" + report.id, with: report.bytes)
    return report
  }

  /// Removes a report.
  func remove(_ id: KeptReport.ID) throws { try disk.remove(folder + "/" + id) }
}
