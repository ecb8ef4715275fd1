"""Which operations stay in float32 when a component is built in float16.

SANA's and DC-AE's linear attention divides by a sum plus 1e-15, which is zero in half precision,
after products that leave its range; RMS normalisation squares its input; and a sinusoid of a
timestep near 1000 needs more digits than half has. diffusers widens the same places.
"""

from __future__ import annotations

from mobileo_export.converters.coreml.origins import Origin

_WIDE_MODULE_TYPES = frozenset({"RMSNorm", "Timesteps", "SanaMultiscaleLinearAttention"})
_WIDE_MODULE_NAMES = frozenset({"attn1"})  # SANA's self-attention; its projections are modules
# Projections inside those modules accumulate well in half, and hold nearly all of the weights.
_PROJECTIONS = frozenset({"linear", "conv"})


def computes_in_half(operation: str, origin: Origin) -> bool:
    """Whether an operation of this type from this module may be cast to float16."""
    wide = (
        origin.module_type in _WIDE_MODULE_TYPES
        or origin.module.rpartition(".")[2] in _WIDE_MODULE_NAMES
    )
    return not wide or operation in _PROJECTIONS
