import Foundation

#if canImport(UIKit)
  import UIKit
#endif

/// How full the battery is, to be read from any thread.
enum Battery {
  /// From 0 to 1; nil where nobody can say, as on a Mac.
  static var level: Double? { held.level }

  private static let held = Held()

  /// Keeps ``level`` true, as long as its task goes on: the system tells the main actor only.
  @MainActor static func watch() async {
    #if canImport(UIKit)
      let device = UIDevice.current
      device.isBatteryMonitoringEnabled = true
      while !Task.isCancelled {
        // −1 where it is not known, as in the Simulator.
        held.level = device.batteryLevel < 0 ? nil : Double(device.batteryLevel)
        try? await Task.sleep(for: .seconds(30))
      }
    #endif
  }

  private final class Held: @unchecked Sendable {
    private let lock = NSLock()
    private var found: Double?

    var level: Double? {
      get { lock.withLock { found } }
      set { lock.withLock { found = newValue } }
    }
  }
}
