"""MLX: quantize the language model and its image projector into a folder that MLX loads."""
