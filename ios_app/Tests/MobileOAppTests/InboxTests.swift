import Foundation
import MobileO
import Testing

import MobileOApp

/// Pictures that the share extension leaves for the app.
@Suite struct InboxTests {
  private let disk = MemoryDisk()
  private var inbox: Inbox { Inbox(folder: URL(fileURLWithPath: "/group/Inbox"), disk: disk.disk) }

  @Test func eachPictureIsTakenOnce() throws {
    #expect(try inbox.take() == nil)
    try inbox.put([1])
    try inbox.put([2])
    let first = try #require(try inbox.take())
    let second = try #require(try inbox.take())
    #expect(Set([first, second]) == [[1], [2]])
    #expect(try inbox.take() == nil)
  }

  @Test func whatIsHalfWrittenIsNotTaken() throws {
    try disk.disk.makeFolder("/group/Inbox")
    try disk.disk.write("/group/Inbox/1" + Disk.partial, [1])
    #expect(try inbox.take() == nil)
  }

  @Test func whatIsTooLargeIsRefused() throws {
    let huge = [UInt8](repeating: 0, count: Inbox.largest + 1)
    #expect {
      try inbox.put(huge)
    } throws: {
      ($0 as? MobileOError)?.kind == .usage
    }
    #expect(try inbox.take() == nil)
  }
}
