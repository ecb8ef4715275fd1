#if canImport(Darwin)
  @preconcurrency import Darwin  // mach_task_self_ is a variable there
  import Dispatch
  import Foundation
  import os

  extension DeviceSystem {
    /// This device.
    public static let current = DeviceSystem(
      release: {
        let found = ProcessInfo.processInfo.operatingSystemVersion
        return [found.majorVersion, found.minorVersion, found.patchVersion]
      },
      footprint: { DeviceSystem.physicalFootprint() },
      headroom: {
        #if os(iOS) && !targetEnvironment(simulator)
          return Int(os_proc_available_memory())
        #else
          // A Mac sets a process no limit: three quarters of its memory are taken for one.
          return Int(clamping: ProcessInfo.processInfo.physicalMemory / 4 * 3)
            - DeviceSystem.physicalFootprint()
        #endif
      },
      thermalState: {
        switch ProcessInfo.processInfo.thermalState {
        case .nominal: .nominal
        case .fair: .fair
        case .serious: .serious
        case .critical: .critical
        @unknown default: .critical
        }
      },
      isLowPowerMode: { ProcessInfo.processInfo.isLowPowerModeEnabled },
      memoryWarnings: { DeviceSystem.warnings() })

    /// `task_vm_info.phys_footprint`: what the system's limit counts.
    private static func physicalFootprint() -> Int {
      var info = task_vm_info_data_t()
      var count = mach_msg_type_number_t(
        MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size)
      let result = withUnsafeMutablePointer(to: &info) { pointer in
        pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
          task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
        }
      }
      return result == KERN_SUCCESS ? Int(clamping: info.phys_footprint) : 0
    }

    /// Pressure of the whole system, and what UIKit says when this process comes near its own limit.
    private static func warnings() -> AsyncStream<MemoryWarning> {
      AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
        // Sources may be used from any thread, which their type does not say.
        nonisolated(unsafe) let source = DispatchSource.makeMemoryPressureSource(
          eventMask: [.warning, .critical], queue: .global())
        source.setEventHandler {
          continuation.yield(source.data.contains(.critical) ? .critical : .warning)
        }
        source.resume()
        // By its name: this module needs no UIKit for anything else.
        let name = Notification.Name("UIApplicationDidReceiveMemoryWarningNotification")
        let observing = Task {
          for await _ in NotificationCenter.default.notifications(named: name) {
            continuation.yield(.critical)
          }
        }
        continuation.onTermination = { _ in
          source.cancel()
          observing.cancel()
        }
      }
    }
  }
#endif
