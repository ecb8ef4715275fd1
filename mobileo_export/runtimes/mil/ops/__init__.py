"""Kernels of MIL operations, one module a family; importing this package registers all of them.

Semantics are those of the operations' documentation in ``coremltools.converters.mil.mil.ops.defs``
and of the value inference next to it.
"""

from . import (  # noqa: F401  # each registers its kernels
    activation,
    constexpr,
    control_flow,
    conv,
    elementwise,
    image,
    linear,
    lists,
    normalization,
    pool,
    reduction,
    sampling,
    scatter_gather,
    selection,
    shaping,
    slicing,
)
from .registry import KERNELS, REFUSALS, Kernel, Parameter, deliver, tensor

__all__ = ["KERNELS", "REFUSALS", "Kernel", "Parameter", "deliver", "tensor"]
