"""Folders of ONNX graphs."""
