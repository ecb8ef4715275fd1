"""Core ML packages: protocol buffers, weight file, operations, signature."""
