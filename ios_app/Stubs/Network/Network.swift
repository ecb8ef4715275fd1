// Stand-in for Network on Linux: signatures only, of what is used.
import Dispatch

/// developer.apple.com/documentation/network/nwinterface
public struct NWInterface {
  /// developer.apple.com/documentation/network/nwinterface/interfacetype
  public enum InterfaceType: Sendable { case other, wifi, cellular, wiredEthernet, loopback }
}

/// developer.apple.com/documentation/network/nwpath
public struct NWPath: Sendable {
  /// developer.apple.com/documentation/network/nwpath/status-swift.enum
  public enum Status: Sendable { case satisfied, unsatisfied, requiresConnection }
  public var status: Status { fatalError("a stand-in") }
  public var isExpensive: Bool { fatalError("a stand-in") }
  public func usesInterfaceType(_ type: NWInterface.InterfaceType) -> Bool {
    fatalError("a stand-in")
  }
}

/// developer.apple.com/documentation/network/nwpathmonitor
public final class NWPathMonitor: Sendable {
  public init() { fatalError("a stand-in") }
  public var pathUpdateHandler: (@Sendable (_ newPath: NWPath) -> Void)? {
    get { fatalError("a stand-in") }
    set { fatalError("a stand-in") }
  }
  public func start(queue: DispatchQueue) { fatalError("a stand-in") }
  public func cancel() { fatalError("a stand-in") }
}
