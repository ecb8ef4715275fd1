import Foundation

/// A safetensors file, opened: names, types and places of its tensors.
///
/// Values are read when asked for. Format: https://huggingface.co/docs/safetensors
public struct Safetensors: Sendable {
  /// Where one tensor lies, and what it is.
  public struct Entry: Sendable, Equatable {
    /// Such as `F32`, `F16`, `BF16` or `U32`.
    public let dtype: String
    /// Sizes, the slowest first.
    public let shape: [Int]
    /// Bytes from the beginning of the file.
    public let range: Range<Int>
  }

  private static let widths = [
    "BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "F32": 4, "I32": 4,
    "U32": 4, "F64": 8, "I64": 8, "U64": 8,
  ]
  static let largestHeader = 100_000_000

  /// By name.
  public let entries: [String: Entry]
  /// Free texts that the file carries.
  public let metadata: [String: String]
  private let path: String

  /// Opens the file at `path`, reading its header only.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: it is missing, cut short, or its header lies about
  ///   what it holds (overlaps, gaps, sizes that are not those of the shapes, unknown types).
  public init(path: String) throws {
    self.path = path
    do {
      guard case .file(let size) = Files.target(path) else {
        throw JSONReader.Problem(reason: "no such plain file")
      }
      let file = try Self.open(path)
      defer { try? file.close() }
      guard let head = try file.read(upToCount: 8), head.count == 8 else {
        throw JSONReader.Problem(reason: "it has no header")
      }
      let length = head.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      guard length <= UInt64(min(Self.largestHeader, size - 8)) else {
        throw JSONReader.Problem(reason: "its header claims \(length) bytes")
      }
      let text = try file.read(upToCount: Int(length)) ?? Data()
      guard text.count == Int(length) else {
        throw JSONReader.Problem(reason: "it ends in its header")
      }
      let header = try JSONReader.document([UInt8](text))
      (entries, metadata) = try Self.read(header, data: 8 + Int(length)..<size)
    } catch let problem as JSONReader.Problem {
      throw MobileOError(
        .bundle,
        "\(path): not a readable safetensors file (\(problem.reason)); download or copy it again")
    }
  }

  /// Entries and texts of a header whose tensors lie in the bytes `data`.
  static func read(
    _ header: JSONValue, data: Range<Int>
  ) throws -> ([String: Entry], [String: String]) {
    guard let members = header.object?.members else {
      throw JSONReader.Problem(reason: "its header is no object")
    }
    var entries: [String: Entry] = [:]
    var metadata: [String: String] = [:]
    for (name, value) in members {
      if name == "__metadata__" {
        for (key, text) in value.object?.members ?? [] { metadata[key] = text.string }
        continue
      }
      guard let dtype = value["dtype"]?.string, let width = widths[dtype] else {
        throw JSONReader.Problem(reason: "tensor \(name) has an unknown dtype")
      }
      let shape = (value["shape"]?.array ?? []).compactMap(\.integer)
      let offsets = (value["data_offsets"]?.array ?? []).compactMap(\.integer)
      guard value["shape"]?.array?.count == shape.count, shape.allSatisfy({ $0 >= 0 }),
        offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= data.count
      else { throw JSONReader.Problem(reason: "tensor \(name) lies outside the file") }
      let bytes = shape.reduce((width, false)) { sum, size in
        let (product, overflow) = sum.0.multipliedReportingOverflow(by: size)
        return (product, sum.1 || overflow)
      }
      guard !bytes.1, bytes.0 == offsets[1] - offsets[0] else {
        throw JSONReader.Problem(reason: "tensor \(name) has a size that is not its shape's")
      }
      let range = data.lowerBound + offsets[0]..<data.lowerBound + offsets[1]
      entries[name] = Entry(dtype: dtype, shape: shape, range: range)
    }
    var end = data.lowerBound
    for entry in entries.values.sorted(by: {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }) {
      if entry.range.lowerBound != end {
        throw JSONReader.Problem(reason: "its tensors overlap or leave gaps")
      }
      end = entry.range.upperBound
    }
    if end != data.upperBound {
      throw JSONReader.Problem(reason: "it does not end where its last tensor does")
    }
    return (entries, metadata)
  }

  /// The tensor's bytes as stored, little-endian.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: there is no such tensor, or the file was cut.
  public func bytes(_ name: String) throws -> [UInt8] {
    guard let entry = entries[name] else {
      throw MobileOError(.bundle, "\(path): has no tensor \(name); export the bundle again")
    }
    let file: FileHandle
    do { file = try Self.open(path) } catch {
      throw MobileOError(.bundle, "\(path): cannot be read; check its permissions")
    }
    defer { try? file.close() }
    try file.seek(toOffset: UInt64(entry.range.lowerBound))
    let data = try file.read(upToCount: entry.range.count) ?? Data()
    if data.count != entry.range.count {
      throw MobileOError(
        .bundle, "\(path): ends in the middle of tensor \(name); download or copy it again")
    }
    return [UInt8](data)
  }

  /// The tensor in float32; exact, since `F32`, `F16` and `BF16` all fit.
  ///
  /// - Throws: ``MobileOError`` of kind `bundle`: as ``bytes(_:)``, or it is of another type.
  public func floats(_ name: String) throws -> Tensor {
    let bytes = try bytes(name)
    let entry = entries[name]
    let values: [Float]
    switch entry?.dtype {
    case "F32": values = words(bytes).map { Float(bitPattern: $0) }
    case "F16": values = halves(bytes).map { Half.widen($0) }
    case "BF16": values = halves(bytes).map { Float(bitPattern: UInt32($0) << 16) }
    default:
      throw MobileOError(
        .bundle, "\(path): tensor \(name) is \(entry?.dtype ?? "?"), which is no float32")
    }
    return Tensor(shape: entry?.shape ?? [], .float32(values))
  }

  private static func open(_ path: String) throws -> FileHandle {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw JSONReader.Problem(reason: "it cannot be opened")
    }
    return file
  }
}

private func words(_ bytes: [UInt8]) -> [UInt32] {
  bytes.withUnsafeBytes { raw in
    (0..<raw.count / 4).map {
      UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
    }
  }
}

private func halves(_ bytes: [UInt8]) -> [UInt16] {
  bytes.withUnsafeBytes { raw in
    (0..<raw.count / 2).map {
      UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
    }
  }
}

/// IEEE 754 half precision by its bits, since not every platform has `Float16`.
package enum Half {
  /// The same number in float32.
  package static func widen(_ half: UInt16) -> Float {
    let sign = UInt32(half & 0x8000) << 16
    let exponent = UInt32(half >> 10) & 0x1F
    let fraction = UInt32(half & 0x3FF)
    switch exponent {
    case 0:
      let unit: Float = sign == 0 ? 0x1p-24 : -0x1p-24
      return unit * Float(fraction)
    case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }
}
