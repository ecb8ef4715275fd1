"""Presets of the target mlx for the tiny checkpoint, whose rows no group of 64 divides."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from mobileo_export.compression.plan import parse

if TYPE_CHECKING:
    from mobileo_export.compression.plan import CompressionPlan


def preset(name: str) -> CompressionPlan:
    """The preset with groups of 32."""
    folder = resources.files("mobileo_export.compression") / "presets" / "mlx"
    text = (folder / f"{name}.json").read_text(encoding="utf-8")
    return parse(f"narrow {name}", json.loads(text.replace("block 64", "block 32")))
