"""ONNX graphs on ONNX Runtime, and in emulated half precision."""
