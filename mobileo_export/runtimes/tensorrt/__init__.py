"""TensorRT engines on a Jetson, by TensorRT's Python API and the CUDA runtime; no torch."""

from mobileo_export.runtimes.tensorrt.runtime import TensorRTRuntime

__all__ = ["TensorRTRuntime"]
