// Stand-in for MLX on Linux: signatures only.
