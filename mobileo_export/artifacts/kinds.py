"""The kinds of artifact. This is the only list of them.

What makes one is in ``converters.registry``, what executes it in ``runtimes.registry``.
"""

# What each is called in messages.
KINDS = {
    "mlpackage": "a Core ML package",
    "mlx": "an MLX folder",
    "onnx": "an ONNX graph",
    "aimodel": "a Core AI asset",
}
