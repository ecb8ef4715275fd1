"""TensorRT engines that a board built, and what they were built of."""
