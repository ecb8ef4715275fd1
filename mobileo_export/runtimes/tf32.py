"""MLX's switch for products of float32 in fewer bits, which the newest chips take by default.

MLX reads it once a process, at the first product on a GPU (``mlx/utils.h``, ``enable_tf32``).
"""

from __future__ import annotations

import os

VARIABLE = "MLX_ENABLE_TF32"


def off() -> None:
    """Let products keep all bits, here and in processes begun from here; who set it is obeyed."""
    os.environ.setdefault(VARIABLE, "0")


def is_on() -> bool:
    """Whether products may have fewer bits; MLX's own default."""
    return os.environ.get(VARIABLE, "1") != "0"
