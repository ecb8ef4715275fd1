"""The language model on MLX, and on NumPy from MLX's own files."""
