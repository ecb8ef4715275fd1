// Stand-in for MLXNN on Linux: signatures only.
