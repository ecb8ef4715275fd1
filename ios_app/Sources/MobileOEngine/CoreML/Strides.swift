/// The numbers of a strided array in C order; arrays that a framework gives are not always packed.
///
/// Rows that lie packed are copied as a whole.
///
/// - Parameters:
///   - buffer: from the array's first number on.
///   - shape: sizes, the slowest first.
///   - strides: how many numbers lie between neighbors along each size.
/// - Returns: nil if the buffer is too short for that, or a stride is negative.
func packed<Scalar: BitwiseCopyable>(
  _ buffer: UnsafeBufferPointer<Scalar>, shape: [Int], strides: [Int]
) -> [Scalar]? {
  guard shape.count == strides.count, strides.allSatisfy({ $0 >= 0 }),
    shape.allSatisfy({ $0 >= 0 })
  else { return nil }
  let count = shape.reduce(1, *)
  if count == 0 { return [] }
  let last = zip(shape, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 }
  guard last < buffer.count else { return nil }
  // The axes from which on the array is packed.
  var (axis, run) = (shape.count, 1)
  while axis > 0, shape[axis - 1] == 1 || strides[axis - 1] == run {
    run *= shape[axis - 1]
    axis -= 1
  }
  var result: [Scalar] = []
  result.reserveCapacity(count)
  var place = [Int](repeating: 0, count: axis)
  while true {
    let start = zip(place, strides).reduce(0) { $0 + $1.0 * $1.1 }
    result.append(contentsOf: buffer[start..<start + run])
    var moving = axis - 1
    while moving >= 0 {
      place[moving] += 1
      if place[moving] < shape[moving] { break }
      place[moving] = 0
      moving -= 1
    }
    if moving < 0 { return result }
  }
}
