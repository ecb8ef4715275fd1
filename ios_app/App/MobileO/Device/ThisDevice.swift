import Foundation
import MobileO
import MobileOApp
import MobileOEngine

extension Device {
  /// This device.
  static let current: Device = {
    let system = DeviceSystem.current
    var device = Device()
    device.footprint = { system.footprint() }
    device.headroom = { system.headroom() }
    device.heat = { Heat(rawValue: system.thermalState().rawValue) }
    device.isLowPower = { system.isLowPowerMode() }
    device.battery = { Battery.level }
    device.machine = {
      let process = ProcessInfo.processInfo
      return JSONObject([
        ("model", .string(hardware)), ("system", .string(process.operatingSystemVersionString)),
        ("cores", .integer(process.activeProcessorCount)),
        ("memory", .integer(Int(clamping: process.physicalMemory))),
      ])
    }
    return device
  }()

  /// Such as `iPhone17,1`.
  private static var hardware: String {
    var name = utsname()
    uname(&name)
    return withUnsafeBytes(of: &name.machine) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
