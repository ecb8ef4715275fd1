import Foundation
import MobileO
import MobileOApp
import MobileOEngine
import SwiftUI

// What comes with the engines of devices: until then a bundle opens on a server or on its trace only.

extension EngineFactory {
  /// Core ML and MLX.
  static func device(gate: CallGate, compiled: URL) -> EngineFactory {
    EngineFactory { _, _, _ in
      throw MobileOError(
        .usage,
        String(
          localized:
            "This build has no engine of the device: launch it with --engine host or replay."))
    }
  }
}

extension Device {
  /// This device.
  static let current = Device()
}

/// Warnings of memory.
enum MemoryWatch {
  static func warnings() -> AsyncStream<Void> { AsyncStream { $0.finish() } }
}
