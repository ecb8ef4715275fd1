import Foundation
import MobileO
import Testing

/// A bundle that damages.py made, and what Python's `verify --replay` made of it.
struct Verdict {
  let bundle: URL
  let content: JSONValue

  init(_ name: String) throws {
    let folder = try #require(Found.damages)
    let all = try Files.json(folder + "/verdicts.json").array ?? []
    content = try #require(all.first { $0["name"]?.string == name })
    bundle = URL(fileURLWithPath: folder + "/" + (content["folder"]?.string ?? ""))
  }

  /// Bound for bound Python's numbers, to the bit but for the order of sums.
  func compare(_ report: SelfTestReport) throws {
    #expect(report.passed == (content["exit"] == 0))
    #expect(report.passed == report.failures.isEmpty)
    let rows = try #require(content["rows"]?.array)
    var (compared, equal) = (0, 0)
    for component in report.components {
      let wanted = rows.filter { $0["component"]?.string == component.name }
      let numbers = wanted.filter { $0["problem"] == nil }
      #expect(component.problems.count == wanted.count - numbers.count)
      for (found, item) in zip(component.problems, wanted.filter { $0["problem"] != nil }) {
        #expect(found.problem == item["problem"]?.string && found.output == item["output"]?.string)
        #expect(found.call?.name == item["call"]?.string)
      }
      try #require(component.rows.count == numbers.count, "\(component.name)")
      for (row, item) in zip(component.rows, numbers) {
        let name = Comment(rawValue: "\(component.name), \(item.line)")
        #expect(row.call.name == item["call"]?.string && row.output == item["output"]?.string, name)
        #expect(row.judged.metric.rawValue == item["metric"]?.string, name)
        #expect(row.judged.bound == item["limit"]?.double, name)
        #expect(row.judged.holds == item["holds"]?.bool, name)
        let value = Self.number(item["value"])
        #expect(Self.same(row.judged.value, value), name)
        #expect((row.judged.strain > 1) == !row.judged.holds, name)
        equal += row.judged.value == value ? 1 : 0
        if row.judged.value.isFinite {
          #expect(row.judged.slice?.family.rawValue == item["slice"]?["family"]?.string, name)
          let index = item["slice"]?["index"]?.array?.compactMap(\.integer)
          #expect(row.judged.slice?.index == index, name)
        }
        compared += 1
      }
    }
    #expect(compared == rows.count { $0["problem"] == nil })
    print("self-test: \(compared) bounds as Python's, \(equal) to the bit")
  }

  private static func number(_ value: JSONValue?) -> Double {
    switch value?.string {
    case "Infinity": .infinity
    case "-Infinity": -.infinity
    default: value?.double ?? .nan
    }
  }

  private static func same(_ found: Double, _ wanted: Double) -> Bool {
    found == wanted || abs(found - wanted) <= 1e-12 * max(1, abs(wanted))
  }
}
