"""MLX folders: which matrices are packed, how, and where."""
