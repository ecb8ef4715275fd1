"""Mobile-O on device: from a checkpoint to Core ML and MLX, with numbers that can be checked."""

__version__ = "0.1.0"
