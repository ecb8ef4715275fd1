"""What stays in float32 when a component is built in float16: operations, and the projector.

SANA's and DC-AE's linear attention divides by a sum plus 1e-15, which is zero in half precision,
after products that leave its range; RMS normalisation squares its input; and a sinusoid of a
timestep near 1000 needs more digits than half has. diffusers widens the same places.

The projector (MCP) stays float32 altogether. Of zero hidden states, the unconditional branch, it
makes tokens that are all alike, in which some channels are near zero as a whole: half precision is
off there by 4 to 8 %, float32 norms or a float32 output layer alone change little, and all of it in
float32 costs 5 MB at full size.
"""

from __future__ import annotations

from typing import Literal

from mobileo_export.converters.coreml.origins import Origin

Precision = Literal["float32", "float16"]
_WIDE_MODULE_TYPES = frozenset({"RMSNorm", "Timesteps", "SanaMultiscaleLinearAttention"})
_WIDE_MODULE_NAMES = frozenset({"attn1"})  # SANA's self-attention; its projections are modules
# Projections inside those modules accumulate well in half, and hold nearly all of the weights.
_PROJECTIONS = frozenset({"linear", "conv"})
_WIDE_COMPONENTS = frozenset({"mcp"})


def effective(component: str, asked: Precision) -> Precision:
    """What a component is built in when a build of the precision ``asked`` is."""
    return "float32" if component in _WIDE_COMPONENTS else asked


def computes_in_half(operation: str, origin: Origin) -> bool:
    """Whether an operation of this type from this module may be cast to float16."""
    wide = (
        origin.module_type in _WIDE_MODULE_TYPES
        or origin.module.rpartition(".")[2] in _WIDE_MODULE_NAMES
    )
    return not wide or operation in _PROJECTIONS
