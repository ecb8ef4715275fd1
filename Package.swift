// swift-tools-version: 6.0
import PackageDescription

// At the root of the repository, since packages are added by URL and are looked for nowhere else.
// No dependency: everything here is Swift and Foundation.
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
    .target(
      name: "MobileO", path: "ios_app/Sources/MobileO",
      swiftSettings: [.enableUpcomingFeature("MemberImportVisibility")]),
    .target(
      name: "MobileOHost", dependencies: ["MobileO"], path: "ios_app/Sources/MobileOHost",
      swiftSettings: [.enableUpcomingFeature("MemberImportVisibility")]),
    .target(
      name: "MobileOApp", dependencies: ["MobileO"], path: "ios_app/Sources/MobileOApp",
      swiftSettings: [.enableUpcomingFeature("MemberImportVisibility")]),
    // Not named as its product: on a Mac, `mobileo` and `MobileO` are one name for a folder.
    .executableTarget(
      name: "MobileOCommand", dependencies: ["MobileO", "MobileOHost"],
      path: "ios_app/Sources/Command",
      swiftSettings: [.enableUpcomingFeature("MemberImportVisibility")]),
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
