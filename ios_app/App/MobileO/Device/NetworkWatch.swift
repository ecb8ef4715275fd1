import Foundation
import MobileOApp
import Network

/// By what the device reaches the network.
enum NetworkWatch {
  /// What it is now, and every change, as long as it is read.
  static func changes() -> AsyncStream<MobileOApp.Network> {
    AsyncStream { continuation in
      let monitor = NWPathMonitor()
      monitor.pathUpdateHandler = { path in continuation.yield(network(path)) }
      continuation.onTermination = { _ in monitor.cancel() }
      monitor.start(queue: DispatchQueue(label: "network"))
    }
  }

  private static func network(_ path: NWPath) -> MobileOApp.Network {
    guard path.status == .satisfied else { return .none }
    if path.isExpensive || path.usesInterfaceType(.cellular) { return .cellular }
    if path.usesInterfaceType(.wifi) { return .wifi }
    return path.usesInterfaceType(.wiredEthernet) ? .wired : .unknown
  }
}
