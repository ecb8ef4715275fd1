"""The released 0.5B model without weights: its references on shapes, and its counted work.

``results/work-0.5b.json`` is ``workload.of`` of an export of a random checkpoint of that size, the
default options; ``tests/test_full_size.py`` makes it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import torch
from torch.utils.flop_counter import FlopCounterMode

from mobileo_export.artifacts.mlx.folder import MLXFolder
from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.bench.workload import Workload
from mobileo_export.components import COMPONENTS
from mobileo_export.random_checkpoint import models
from mobileo_export.reference import loading
from mobileo_export.runtimes.shapes import ShapesOnly, empty

WORK = Path(__file__).parent / "results" / "work-0.5b.json"
MODEL = models.model("0.5b")


def work() -> Workload:
    """What was counted of the export."""
    return Workload.from_json(json.loads(WORK.read_text(encoding="utf-8")))


@cache
def reference(name: str) -> Any:
    """The reference of a component, its parameters without values."""

    def load(construct: Callable[[], Any], *_: object) -> Any:
        with torch.device("meta"):
            return construct().eval()

    # It has whatever is asked of it, and no tensors.
    checkpoint: Any = SimpleNamespace(model=MODEL, require_weights=Mock(), check=Mock())
    with patch.object(loading, "load", load):
        return COMPONENTS[name].reference(checkpoint, "released")


def flops(call: Callable[..., object], *shapes: tuple[int, ...]) -> int:
    """What PyTorch counts of ``call`` with tensors of these shapes."""
    with torch.no_grad(), ShapesOnly(), FlopCounterMode(display=False) as counter:
        call(*map(empty, shapes))
    return int(counter.get_total_flops())


def folder() -> MLXFolder:
    """The language model's folder as the default options write it, without its tensors."""
    spec, tensors = COMPONENTS["llm"], plan(MODEL).tensors
    return MLXFolder(
        Path("llm"),
        {},
        spec.inputs(MODEL),
        spec.outputs(MODEL),
        MODEL.llm,
        0,
        MODEL.vision.feature_dim,
        tensors,
    )


def packed(bits: int) -> MLXFolder:
    """The folder with matrices of so many bits."""
    found = folder()
    tensors = (replace(t, bits=bits) if t.is_matrix else t for t in found.tensors)
    return replace(found, tensors=tuple(tensors))
