"""Texts of the pages: numbers as people write them, titles."""

from __future__ import annotations

import math
from typing import Any

from mobileo_export.components import COMPONENTS

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NAMES = {
    **{spec.name: spec.short for spec in COMPONENTS.values()},
    "relative_l2": "relative L2",
    "worst_slice": "worst slice",
    "worst_token": "worst token",
    "worst_cosine": "worst cosine",
    "psnr": "PSNR",
    "kl": "KL",
    "top1": "top-1",
}


def name(value: object) -> str:
    """The title of a component or metric, or the word itself."""
    return _NAMES.get(str(value), str(value))


def number(value: Any) -> float:
    """A number of the report, which writes what JSON has no number for as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def scientific(value: Any) -> str:
    """``1.2×10⁻⁶`` for small and large numbers, ``0.45`` and ``12`` between."""
    found = number(value)
    if not math.isfinite(found):
        return "not a number" if math.isnan(found) else "∞" if found > 0 else "−∞"
    if found == 0:
        return "0"
    if 1e-2 <= abs(found) < 1e4:
        return f"{found:.3g}".replace("-", "−")
    mantissa, exponent = f"{found:.1e}".replace(".0e", "e").split("e")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    return (power if mantissa == "1" else f"{mantissa}×{power}").replace("-", "−")


def figure(value: Any, metric: str) -> str:
    """A figure with its unit."""
    found = number(value)
    if metric == "psnr":
        return f"{round(found, 1):g} dB" if math.isfinite(found) else f"{scientific(found)} dB"
    if metric in {"top1", "finite", "worst_cosine"} and math.isfinite(found):
        return f"{found:.6g}"
    return scientific(found) + (" nats" if metric == "kl" else "")


def seconds(value: Any) -> str:
    """``12 ms``, ``1.2 s``; a dash for None."""
    found = number(value)
    if not math.isfinite(found):
        return "–"
    return f"{found * 1000:.0f} ms" if found < 1 else f"{found:.1f} s"


def plural(count: int, word: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
