/// What Core ML may compute on, in the words of manifests and settings.
public enum CoreMLUnits: String, Sendable, CaseIterable {
  case all
  case cpuAndGPU = "cpu_and_gpu"
  case cpuAndNeuralEngine = "cpu_and_neural_engine"
  case cpuOnly = "cpu_only"
}
