import Foundation
import MobileO
import MobileOApp
import Testing

/// The app is killed at every change of the disk while a bundle is repaired.
@MainActor @Suite struct RepairCrashTests {
  private static let weights = "/transformer.mlpackage/Data/weight.bin"
  private static let config = "/llm/config.json"
  private static let old: [UInt8] = [9]

  /// A downloaded bundle in which a file is other than it was, one is missing, one is a folder,
  /// and one is too many; and what was compiled of it.
  private static func broken(_ bundle: SealedBundle) async throws -> ShelfBench {
    let bench = try ShelfBench(serving: bundle)
    #expect(await bench.download().state == .finished(bundle.id))
    let place = bench.folder + "/" + bundle.id
    try Files.write(old, to: place + weights)
    try Files.write(old, to: place + "/extra.txt")
    try FileManager.default.removeItem(atPath: place + config)
    let tokens = place + "/llm/added_tokens.json"
    try FileManager.default.removeItem(atPath: tokens)
    try FileManager.default.createDirectory(atPath: tokens, withIntermediateDirectories: false)
    try Files.write(old, to: tokens + "/in-the-way")
    bench.compiled.value[bundle.id] = 5
    bench.dying.die(at: .max)
    return bench
  }

  @Test func aKillLeavesTheOldFileOrTheGoodOne() async throws {
    let bundle = try SealedBundle()
    let good = try bundle.files
    let whole = try await Self.broken(bundle)
    await whole.shelf.repair(bundle.id)
    #expect(whole.shelf[bundle.id]?.health == .sealed && whole.names.count == 2)
    let changes = whole.dying.changes
    #expect(changes > 15)
    for number in 0..<changes {
      let bench = try await Self.broken(bundle)
      bench.dying.die(at: number)
      await bench.shelf.repair(bundle.id)
      let next = await bench.reopened()
      let found = try #require(next[bundle.id], "\(number): \(next.problems)")
      #expect(found.health == .unknown && next.problems.isEmpty, "\(number)")
      let place = found.folder.path
      for (path, bytes) in good where Files.kind(place + path) != .folder {
        let there = try? Files.read(place + path)
        let before: [UInt8]? =
          switch path {
          case Self.weights: Self.old
          case Self.config, "/llm/added_tokens.json": nil
          default: bytes
          }
        #expect(
          there == before || there == bytes, "\(number): \(path), \(there?.count ?? -1) bytes")
      }
      await next.verify(bundle.id)
      if next[bundle.id]?.health == .sealed {
        #expect(bench.compiled.value.isEmpty, "\(number): it comes from what was broken")
      }
      await next.repair(bundle.id)
      #expect(next[bundle.id]?.health == .sealed && next.notice == nil, "\(number)")
      #expect(try Seal.verify(place, bundle.manifest).isEmpty, "\(number)")
      #expect(bench.compiled.value.isEmpty, "\(number)")
      #expect(bench.names == [bundle.id, bundle.id + ".json"], "\(number): \(bench.names)")
    }
  }

  /// Whatever comes after it, what a repair left is not kept for ever.
  @Test func whatARepairLeftGoesWithItsBundle() async throws {
    let bundle = try SealedBundle()
    for number in [8, 12] {
      let bench = try await Self.broken(bundle)
      bench.dying.die(at: number)
      await bench.shelf.repair(bundle.id)
      let next = await bench.reopened()
      #expect(bench.names.contains { $0.hasSuffix(".repair.part") } && next.unfinished > 0)
      await next.delete(bundle.id)
      #expect(next.notice == nil && bench.names.isEmpty, "\(number): \(bench.names)")
    }
  }
}
