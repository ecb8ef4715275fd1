"""What an export is asked for; a converter says what of it concerns its kind of artifact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mobileo_export import targets
from mobileo_export.compression.plan import EXACTLY, CompressionPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.components import ComponentSpec, Precision


@dataclass(frozen=True)
class Options:
    """What to export and how.

    ``llm_exceptions`` maps module patterns to bits. ``layers_per_engine`` splits the language
    model of a jetson bundle into graphs of so many layers, None keeps it whole.
    ``precision_plan`` gives, by graph, rules that say what a float16 graph keeps in float32.
    ``compression`` is how packages store their weights; what it says of the language model is in
    the three attributes that begin with ``llm``, which are all that counts there.
    """

    components: tuple[ComponentSpec, ...]
    target: str = targets.DEFAULT
    weights: Weights = "released"
    precision: Precision = "float32"
    llm_bits: int = 8
    llm_group_size: int = 64
    llm_exceptions: Mapping[str, int] = field(default_factory=dict)
    layers_per_engine: int | None = None
    precision_plan: Mapping[str, Any] = field(default_factory=dict)
    compression: CompressionPlan = EXACTLY
    source_name: str | None = None
    source_revision: str | None = None
