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
  /// developer.apple.com/documentation/network/nwpath/status
  public var status: Status { fatalError("a stand-in") }
  /// developer.apple.com/documentation/network/nwpath/isexpensive
  public var isExpensive: Bool { fatalError("a stand-in") }
  /// developer.apple.com/documentation/network/nwpath/usesinterfacetype(_:)
  public func usesInterfaceType(_ type: NWInterface.InterfaceType) -> Bool {
    fatalError("a stand-in")
  }
}

/// developer.apple.com/documentation/network/nwpathmonitor
public final class NWPathMonitor: Sendable {
  /// developer.apple.com/documentation/network/nwpathmonitor/init()
  public init() { fatalError("a stand-in") }
  /// developer.apple.com/documentation/network/nwpathmonitor/pathupdatehandler
  public var pathUpdateHandler: (@Sendable (_ newPath: NWPath) -> Void)? {
    get { fatalError("a stand-in") }
    set { fatalError("a stand-in") }
  }
  /// developer.apple.com/documentation/network/nwpathmonitor/start(queue:)
  public func start(queue: DispatchQueue) { fatalError("a stand-in") }
  /// developer.apple.com/documentation/network/nwpathmonitor/cancel()
  public func cancel() { fatalError("a stand-in") }
}
