import Foundation

/// A safetensors document in memory: how arrays travel to another machine and back.
package enum TensorFile {
  /// The document that holds `arrays`, by name.
  package static func encode(_ arrays: [String: Tensor]) -> Data {
    var members: [(key: String, value: JSONValue)] = []
    var content = Data()
    for (name, array) in arrays.sorted(by: { Exact($0.key) < Exact($1.key) }) {
      let start = content.count
      let dtype: JSONValue
      switch array.values {
      case .float32(let values): (dtype, content) = ("F32", content + bytes(values))
      case .int32(let values): (dtype, content) = ("I32", content + bytes(values))
      case .uint8(let values): (dtype, content) = ("U8", content + values)
      }
      let entry: JSONValue = [
        "dtype": dtype, "shape": .array(array.shape.map { .integer($0) }),
        "data_offsets": [.integer(start), .integer(content.count)],
      ]
      members.append((name, entry))
    }
    var header = Array(JSONValue.object(JSONObject(members)).line.utf8)
    header += [UInt8](repeating: 0x20, count: (8 - header.count % 8) % 8)
    return Data(bytes([UInt64(header.count)])) + header + content
  }

  /// The arrays of a document.
  ///
  /// - Throws: `JSONReader.Problem`: it is none, or holds an array of another type than float32, int32
  ///   and uint8.
  package static func decode(_ document: Data) throws -> [String: Tensor] {
    guard document.count >= 8 else { throw JSONReader.Problem(reason: "it has no header") }
    let length = document.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(min(Safetensors.largestHeader, document.count - 8)) else {
      throw JSONReader.Problem(reason: "its header claims \(length) bytes")
    }
    let start = 8 + Int(length)
    let first = document.startIndex
    let header = try JSONReader.document([UInt8](document[(first + 8)..<(first + start)]))
    let (entries, _) = try Safetensors.read(header, data: start..<document.count)
    return try entries.mapValues { entry in
      let part = document[
        (first + entry.range.lowerBound)..<(first + entry.range.upperBound)]
      switch entry.dtype {
      case "F32": return Tensor(shape: entry.shape, .float32(values(part)))
      case "I32": return Tensor(shape: entry.shape, .int32(values(part)))
      case "U8": return Tensor(shape: entry.shape, .uint8([UInt8](part)))
      default: throw JSONReader.Problem(reason: "an array is \(entry.dtype)")
      }
    }
  }

  /// Little-endian, as is every platform that Swift runs on.
  private static func bytes<Value: BitwiseCopyable>(_ values: [Value]) -> Data {
    values.withUnsafeBytes { Data($0) }
  }

  private static func values<Value: BitwiseCopyable>(_ bytes: Data) -> [Value] {
    let count = bytes.count / MemoryLayout<Value>.stride
    return [Value](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = bytes.copyBytes(to: buffer) / MemoryLayout<Value>.stride
    }
  }
}
