import MobileO

extension Recipe.Sampling {
  /// The published schedule.
  static let published = Recipe.Sampling(
    flowShift: 3, trainTimesteps: 1000, steps: 20, guidance: 1.5)
}

extension Recipe.Preprocessing {
  /// As published, for another size and padding.
  init(imageSize: Int, padColor: [Int]) {
    self.init(
      imageSize: imageSize, tokens: 16, padColor: padColor.map { UInt8($0) }, rescale: 1.0 / 255,
      mean: [0, 0, 0], deviation: [1, 1, 1])
  }
}
