"""What is in a checkpoint, an artifact or a bundle, and how two of them differ."""
