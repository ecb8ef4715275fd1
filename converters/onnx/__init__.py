"""ONNX for TensorRT: one graph a component, and a few for the language model."""
