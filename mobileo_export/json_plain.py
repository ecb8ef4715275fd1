"""What JSON has no number for."""

from __future__ import annotations

import math
from typing import Any


def json_ready(value: Any) -> Any:
    """Nested lists and objects with ``Infinity``, ``-Infinity`` and ``NaN`` as text."""
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
