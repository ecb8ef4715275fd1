"""MLX: quantize the language model and its image projector into a folder that MLX loads."""

from mobileo_export.converters.mlx.planning import MLXPlan, plan

__all__ = ["MLXPlan", "plan"]
