import Foundation
import MobileO
import MobileOEngine
import Testing

/// A bundle whose components are all for MLX, on an engine: what runs, what is prepared, what stays.
@Suite struct MLXEngineTests {
  /// A manifest as `--target mlx` makes it, as far as an engine looks at it.
  private static func forMLX(_ manifest: JSONValue) -> JSONValue {
    manifest.replacing("components") { components in
      components.replacingEach { _, component in
        component.replacing("artifacts") { artifacts in
          .array(
            (artifacts.array ?? []).map { artifact in
              let others = (artifact.object?.members ?? []).filter {
                !["target", "kind"].contains($0.key)
              }
              return .object(JSONObject(others + [("target", "mlx"), ("kind", "mlx")]))
            })
        }
      }
    }
  }

  @Test func everyTaskRunsAndNothingIsCompiled() async throws {
    let bench = try await Bench(seal: Self.forMLX)
    for task in MemoryTests.tasks { try await bench.follow(task) }
    #expect(bench.phone.done.allSatisfy { if case .compile = $0 { false } else { true } })
    #expect(bench.core.now.asked.isEmpty, "Core ML was asked for a model")
    #expect(bench.phone.loaded.count == 5)
    let loads = bench.heard.events.compactMap { event -> String? in
      if case .loaded(let name, on: nil, _, isCold: false, _) = event { return name }
      return nil
    }
    #expect(loads.sorted() == bench.manifest.components.keys.sorted())
    #expect(bench.heard.events.count == loads.count)
    for name in bench.manifest.components.keys {
      #expect(try await bench.engine.runtime(of: name) == ComponentRuntime("mlx", .device))
    }
    await bench.engine.closeAll()
    #expect(bench.phone.loaded == [])
  }

  @Test func nothingIsPreparedAndNoPlanIsMade() async throws {
    let bench = try await Bench(seal: Self.forMLX)
    for try await event in bench.engine.prewarm() { Issue.record("\(event)") }
    #expect(try await bench.engine.computePlan().isEmpty)
    #expect(DeviceEngine.coreMLComponents(of: bench.manifest) == [])
    let mixed = try await Bench { manifest in
      manifest.replacing("components") { components in
        components.replacingEach { name, component in
          name == "dit"
            ? Self.forMLX(["components": ["dit": component]])["components"]?["dit"] ?? .null
            : component
        }
      }
    }
    #expect(DeviceEngine.coreMLComponents(of: mixed.manifest).contains("dit") == false)
    try await mixed.follow(.draw(guided: true))
    #expect(mixed.core.now.asked["mcp"] != nil && mixed.core.now.asked["dit"] == nil)
  }

  /// With an 8 GB phone's limit everything stays; with a 4 GB phone's too, which the float32 bundle does
  /// not draw on at all.
  @Test(arguments: [2_400_000_000 + 100_000_000, 6_000_000_000])
  func allFiveStayWhereTheyFit(_ limit: Int) async throws {
    let bench = try await Bench(
      limit: limit, Preset.mlx.footprints, settings: DeviceSettings(reserve: 0),
      seal: Self.forMLX)
    try await bench.follow(.edit(guided: true))
    bench.phone.forget()
    let resident = bench.phone.loaded.count
    try await bench.follow(.edit(guided: true))
    let reloads = bench.phone.done.filter { if case .load = $0 { true } else { false } }.count
    #expect(resident == 5 && reloads == 0, "\(resident) stay, \(reloads) loads")
    let float32 = Preset.all[0].footprints
    let needed = try MemoryPlan.least(.draw(guided: true), float32)
    #expect(needed > 2_500_000_000)
  }
}
