"""What tests of checkpoint folders share."""

from __future__ import annotations

import numpy as np

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.model_config import PROJECTOR
from mobileo_export.components import COMPONENTS, check_foreign
from tests import surgery

BIAS = PROJECTOR + "2.bias"


def bfloat16(*values: float) -> surgery.Tensor:
    return "BF16", safetensors_file.to_bfloat16(np.array(values, np.float32))


def check_all(checkpoint: Checkpoint) -> None:
    """What an export of everything checks before it begins."""
    for component in COMPONENTS.values():
        component.check(checkpoint)
    check_foreign(checkpoint)
