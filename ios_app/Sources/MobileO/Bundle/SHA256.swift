import Foundation

#if canImport(CryptoKit)
  import CryptoKit
#endif

/// SHA-256 (FIPS 180-4): CryptoKit where there is one, otherwise a few lines of our own.
package struct SHA256Digest {
  #if canImport(CryptoKit)
    private var state = CryptoKit.SHA256()

    package init() {}

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
      state.update(bufferPointer: bytes)
    }

    package mutating func finish() -> String {
      state.finalize().map { hexadecimal($0) }.joined()
    }
  #else
    private var state = PlainSHA256()

    package init() {}

    package mutating func update(_ bytes: UnsafeRawBufferPointer) { state.update(bytes) }

    package mutating func finish() -> String { state.finish().map { hexadecimal($0) }.joined() }
  #endif

  /// The digest of `bytes`, in hexadecimal.
  package static func of(_ bytes: [UInt8]) -> String {
    var state = SHA256Digest()
    bytes.withUnsafeBytes { state.update($0) }
    return state.finish()
  }

  /// The digest of the file at `path`, read a part at a time.
  package static func ofFile(_ path: String) throws -> String {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw MobileOError(.bundle, "\(path): cannot be read; check its permissions")
    }
    defer { try? file.close() }
    var state = SHA256Digest()
    while let part = try file.read(upToCount: 1 << 22), !part.isEmpty {
      try Task.checkCancellation()
      part.withUnsafeBytes { state.update($0) }
    }
    return state.finish()
  }
}

private func hexadecimal(_ byte: UInt8) -> String {
  let digits = String(byte, radix: 16)
  return digits.count == 1 ? "0" + digits : digits
}

/// SHA-256 without a library, compiled everywhere so that it is tested everywhere.
package struct PlainSHA256 {
  private var hash: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab,
    0x5be0_cd19,
  ]
  private var pending: [UInt8] = []
  private var length: UInt64 = 0
  private var schedule = [UInt32](repeating: 0, count: 64)

  package init() { pending.reserveCapacity(64) }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var start = 0
    if !pending.isEmpty {
      start = min(64 - pending.count, bytes.count)
      pending.append(contentsOf: bytes[0..<start])
      if pending.count < 64 { return }
      pending.withUnsafeBytes { Self.block($0, 0, &hash, &schedule) }
      pending.removeAll(keepingCapacity: true)
    }
    while start + 64 <= bytes.count {
      Self.block(bytes, start, &hash, &schedule)
      start += 64
    }
    pending.append(contentsOf: bytes[start...])
  }

  package mutating func finish() -> [UInt8] {
    let bits = length &* 8
    var ending: [UInt8] = [0x80]
    let filled = (pending.count + 1) % 64
    ending += [UInt8](repeating: 0, count: (filled <= 56 ? 56 : 120) - filled)
    ending += (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) }
    ending.withUnsafeBytes { update($0) }
    return hash.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
  }

  private static func block(
    _ bytes: UnsafeRawBufferPointer, _ start: Int, _ hash: inout [UInt32],
    _ schedule: inout [UInt32]
  ) {
    hash.withUnsafeMutableBufferPointer { state in
      schedule.withUnsafeMutableBufferPointer { w in
        for t in 0..<16 {
          let word = bytes.loadUnaligned(fromByteOffset: start + 4 * t, as: UInt32.self)
          w[t] = UInt32(bigEndian: word)
        }
        for t in 16..<64 {
          let early = w[t - 15]
          let late = w[t - 2]
          let s0 = turn(early, 7) ^ turn(early, 18) ^ (early >> 3)
          let s1 = turn(late, 17) ^ turn(late, 19) ^ (late >> 10)
          w[t] = w[t - 16] &+ s0 &+ w[t - 7] &+ s1
        }
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        roundConstants.withUnsafeBufferPointer { k in
          for t in 0..<64 {
            let s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)
            let one = h &+ s1 &+ ((e & f) ^ (~e & g)) &+ k[t] &+ w[t]
            let s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)
            let two = s0 &+ ((a & b) ^ (a & c) ^ (b & c))
            (h, g, f, e, d, c, b, a) = (g, f, e, d &+ one, c, b, a, one &+ two)
          }
        }
        for (place, value) in [a, b, c, d, e, f, g, h].enumerated() { state[place] &+= value }
      }
    }
  }

  @inline(__always)
  private static func turn(_ word: UInt32, _ by: UInt32) -> UInt32 {
    (word >> by) | (word << (32 - by))
  }

  private static let roundConstants: [UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4,
    0xab1c_5ed5, 0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe,
    0x9bdc_06a7, 0xc19b_f174, 0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f,
    0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da, 0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
    0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967, 0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc,
    0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85, 0xa2bf_e8a1, 0xa81a_664b,
    0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070, 0x19a4_c116,
    0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7,
    0xc671_78f2,
  ]
}
