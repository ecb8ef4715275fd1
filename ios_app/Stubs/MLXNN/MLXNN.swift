// Stand-in for MLXNN on Linux: the signatures of mlx-swift that the engine uses; bodies trap.
// Each follows the file that it names, below `Source/MLXNN` of github.com/ml-explore/mlx-swift.
import MLX

/// `Activations.swift`
public func silu(_ x: MLXArray) -> MLXArray { trap() }

func trap() -> Never { fatalError("this is a stand-in for MLXNN; it computes nothing") }
