"""The language model against the checkpoint and against its own quantization."""
