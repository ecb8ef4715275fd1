"""Random checkpoints of the released layout, for tests and benchmarks."""
