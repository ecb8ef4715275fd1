import Foundation
import Testing

/// Our program, started with the server's address in its environment.
enum Program {
  struct Ran {
    let code: Int32
    let output: String
    let errors: String
  }

  struct Running {
    let process: Process
    let input = Pipe()
    let output = Pipe()
    let errors = Pipe()
  }

  static func start(_ words: [String], environment: [String: String]? = nil) throws -> Running {
    let address = try #require(Served.address)
    let running = Running(process: Process())
    running.process.executableURL = URL(fileURLWithPath: try #require(Found.program))
    running.process.arguments = words
    running.process.environment =
      environment ?? [
        "MOBILEO_HOST": "\(address.host):\(address.port)", "MOBILEO_TOKEN": address.token,
      ]
    running.process.standardInput = running.input
    running.process.standardOutput = running.output
    running.process.standardError = running.errors
    try running.process.run()
    return running
  }

  static func run(
    _ words: [String], typing text: String = "", and bytes: [UInt8] = [],
    environment: [String: String]? = nil
  ) throws -> Ran {
    let running = try start(words, environment: environment)
    try running.input.fileHandleForWriting.write(contentsOf: Data(text.utf8) + bytes)
    try running.input.fileHandleForWriting.close()
    let output = running.output.fileHandleForReading.readDataToEndOfFile()
    let errors = running.errors.fileHandleForReading.readDataToEndOfFile()
    running.process.waitUntilExit()
    return Ran(
      code: running.process.terminationStatus, output: String(decoding: output, as: UTF8.self),
      errors: String(decoding: errors, as: UTF8.self))
  }
}
