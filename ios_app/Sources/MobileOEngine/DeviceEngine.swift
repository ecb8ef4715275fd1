#if canImport(CoreML)
  import CoreML
#endif
