"""Check a written ``model.safetensors`` against its plan: read back what will be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.errors import ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.artifacts.mlx.component_plan import FolderPlan
    from mobileo_export.artifacts.mlx.plan import MLXPlan


def check(path: Path, planned: MLXPlan | FolderPlan) -> None:
    """Compare names, dtypes and shapes, and look at every scale and bias.

    Raises:
        CheckpointError: the file is not safetensors.
        ConversionError: the file is not what was planned, or a scale is zero or not finite.
    """
    found = safetensors_file.read_header(path)
    entries = {name: (info.dtype, info.shape) for name, info in found.items()}
    wrong = sorted(
        name
        for name in entries.keys() | planned.layout.keys()
        if entries.get(name) != planned.layout.get(name)
    )
    if wrong:
        raise ConversionError(
            f"{path}: tensor {wrong[0]} is {_describe(entries.get(wrong[0]))}, "
            f"planned {_describe(planned.layout.get(wrong[0]))}; "
            "the file was changed while it was written: export again"
        )
    for tensor in planned.tensors:
        for name in list(tensor.stored)[1:]:
            values = safetensors_file.raw(found[name])
            fine = np.isfinite(values).all()
            if not fine or (name.endswith(".scales") and not values.all()):
                raise ConversionError(
                    f"{path}: tensor {name} holds a value that cannot be a quantization scale "
                    "or bias; the disk may be full or failing: export again"
                )


def _describe(entry: tuple[str, tuple[int, ...]] | None) -> str:
    return "absent" if entry is None else f"{entry[0]} {list(entry[1])}"
