// swift-tools-version: 6.0
import PackageDescription

// At the root of the repository, since packages are added by URL and are looked for nowhere else.
let sources = "ios_app/Sources/"
let settings: [SwiftSetting] = [.enableUpcomingFeature("MemberImportVisibility")]
#if os(Linux)
  let engines: [Target.Dependency] = []
  let ofCommand = settings
#else
  let engines: [Target.Dependency] = ["MobileOEngine"]
  let ofCommand = settings + [.define("DEVICE_ENGINE")]
#endif

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: sources + name, swiftSettings: settings)
}

let package = Package(
  name: "MobileO",
  platforms: [.iOS(.v18), .macOS(.v15)],
  products: [
    .library(name: "MobileO", targets: ["MobileO"]),
    .library(name: "MobileOHost", targets: ["MobileOHost"]),
    .library(name: "MobileOApp", targets: ["MobileOApp"]),
    .executable(name: "mobileo", targets: ["MobileOCommand"]),
  ],
  targets: [
    library("MobileO"),
    library("MobileOHost", ["MobileO"]),
    library("MobileOApp", ["MobileO"]),
    // Not named as its product: on a Mac, `mobileo` and `MobileO` are one name for a folder.
    .executableTarget(
      name: "MobileOCommand", dependencies: ["MobileO", "MobileOHost"] + engines,
      path: sources + "Command", swiftSettings: ofCommand),
    .testTarget(
      name: "MobileOTests", dependencies: ["MobileO"], path: "ios_app/Tests/MobileOTests",
      exclude: ["Vectors"]),
    .testTarget(
      name: "MobileOHostTests", dependencies: ["MobileO", "MobileOHost"],
      path: "ios_app/Tests/MobileOHostTests"),
    .testTarget(
      name: "MobileOAppTests", dependencies: ["MobileO", "MobileOApp"],
      path: "ios_app/Tests/MobileOAppTests", exclude: ["Bundle"]),
  ],
  swiftLanguageModes: [.v6]
)

// What needs Apple's frameworks. On a Mac they and mlx-swift are there; on Linux stand-ins of the same
// names let the compiler read it all, where `make app-check` asks for them and nowhere else: no product
// is built with a stand-in.
func deviceTargets(frameworks: [Target.Dependency], mlx: [Target.Dependency]) -> [Target] {
  [
    library("MobileOEngine", ["MobileO"] + frameworks + mlx),
    library("MobileOViews", ["MobileO", "MobileOApp"] + frameworks),
    .testTarget(
      name: "MobileOEngineTests", dependencies: ["MobileO", "MobileOEngine"] + frameworks + mlx,
      path: "ios_app/Tests/MobileOEngineTests"),
  ]
}

#if os(Linux)
  let frameworks = [
    "Accessibility", "AppIntents", "AppKit", "AVFoundation", "CoreAI", "CoreGraphics", "CoreMedia",
    "CoreML", "CoreVideo", "FoundationMembers", "ImageIO", "Network", "PhotosUI", "SwiftUI",
    "UIKit", "UniformTypeIdentifiers", "XCUIAutomation",
  ]
  // What a stand-in takes from others.
  let parts = [
    "Accessibility": ["FoundationMembers"],
    "AppIntents": ["FoundationMembers", "UniformTypeIdentifiers"],
    "AppKit": ["FoundationMembers", "UIKit"],
    "AVFoundation": ["CoreMedia", "CoreVideo", "FoundationMembers", "UIKit"],
    "CoreMedia": ["CoreVideo"],
    "ImageIO": ["CoreGraphics"],
    "PhotosUI": ["SwiftUI"],
    "SwiftUI": ["AppKit", "CoreGraphics", "FoundationMembers", "UIKit", "UniformTypeIdentifiers"],
    "UIKit": ["FoundationMembers"],
    "MLXNN": ["MLX"],
  ]
  let mlx = ["MLX", "MLXNN"]
  // Core AI's views borrow what they show, which only an experimental feature can declare yet.
  let features: [String: [SwiftSetting]] = ["CoreAI": [.enableExperimentalFeature("Lifetimes")]]
  if Context.environment["MOBILEO_STAND_INS"] == "1" {
    package.targets += (frameworks + mlx).map { name in
      .target(
        name: name, dependencies: (parts[name] ?? []).map { .byName(name: $0) },
        path: "ios_app/Stubs/" + name, swiftSettings: features[name] ?? [])
    }
    package.targets += deviceTargets(
      frameworks: frameworks.map { .byName(name: $0) }, mlx: mlx.map { .byName(name: $0) })
    // The app itself, which Xcode builds from App/MobileO.xcodeproj.
    let app = "ios_app/App/"
    let others = [
      "AppShortcuts.xcstrings", "Assets.xcassets", "Info.plist", "InfoPlist.xcstrings",
      "Localizable.xcstrings", "Mac.entitlements", "MobileO.entitlements", "PrivacyInfo.xcprivacy",
    ]
    package.targets += [
      .executableTarget(
        name: "MobileODemo",
        dependencies: ["MobileO", "MobileOHost", "MobileOApp", "MobileOEngine", "MobileOViews"]
          + frameworks.map { .byName(name: $0) },
        path: app + "MobileO", exclude: others, swiftSettings: settings),
      .target(
        name: "ShareExtension",
        dependencies: ["MobileO", "MobileOApp"] + frameworks.map { .byName(name: $0) },
        path: app + "ShareExtension",
        exclude: [
          "Info.plist", "InfoPlist.xcstrings", "Localizable.xcstrings",
          "ShareExtension.entitlements",
        ],
        swiftSettings: settings),
      .target(
        name: "MobileOUITests", dependencies: ["XCUIAutomation"], path: app + "MobileOUITests",
        swiftSettings: settings),
    ]
  }
#else
  // The last whose manifest Xcode 16 reads.
  package.dependencies.append(
    .package(url: "https://github.com/ml-explore/mlx-swift", exact: "0.31.4"))
  package.products += [
    .library(name: "MobileOEngine", targets: ["MobileOEngine"]),
    .library(name: "MobileOViews", targets: ["MobileOViews"]),
  ]
  package.targets += deviceTargets(
    frameworks: [],
    mlx: ["MLX", "MLXNN"].map { .product(name: $0, package: "mlx-swift") })
#endif
