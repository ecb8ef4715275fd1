"""Settings and variants of a package's operations, held against the reference's own modules.

A wrong epsilon or the other GELU changes outputs by less than half precision's rounding, some by
less than float32's: no bound on outputs can notice. They are read instead, from the graph, and
compared with the attributes of the torch module that the operation came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export.reference.names import module_at

if TYPE_CHECKING:
    import torch

    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.stored_values.package_graph import PackageGraph

_GELU = {"none": "EXACT", "tanh": "TANH_APPROXIMATION"}
_UPSAMPLE = {
    "nearest": "upsample_nearest_neighbor",
    "bilinear": "upsample_bilinear",
}
# Half precision rounds 1e-6 to 1.013e-6.
_TOLERANCE = 0.05


@dataclass(frozen=True)
class Found:
    """One constant or variant: what the package has and what the reference has."""

    operation: str
    module: str
    what: str
    package: float | str
    reference: float | str

    @property
    def ok(self) -> bool:
        """Whether they are the same, half precision's rounding aside."""
        if isinstance(self.package, str) or isinstance(self.reference, str):
            return self.package == self.reference
        return math.isclose(self.package, self.reference, rel_tol=_TOLERANCE)

    @property
    def told(self) -> str:
        """Both in words."""
        return f"{self.what} is {_text(self.package)}, the reference has {_text(self.reference)}"

    def __str__(self) -> str:
        return f"{self.module} ({self.operation}): {self.told}"


def check(graph: PackageGraph, root: torch.nn.Module) -> Iterator[Found]:
    """Every epsilon of a norm, kind of GELU and kind of upsampling in ``graph``.

    Operations whose module, in the reference ``root``, says nothing of it are left out.
    """
    for op in graph.ops:
        yield from of_operation(graph, op, root)


def of_operation(graph: PackageGraph, op: Op, root: torch.nn.Module) -> Iterator[Found]:
    """What :func:`check` finds at one operation."""
    output, module = op.outputs[0].name, graph.origin(op).module
    owner = module_at(root, module)
    values = {item.parameter: item.values for item in graph.constants(op)}
    epsilons: tuple[str, ...] = ()
    if op.kind == "layer_norm":
        epsilons = ("epsilon",)
    elif op.kind == "add" and any(user.kind == "rsqrt" for user in graph.consumers[output]):
        epsilons = ("x", "y")  # of the mean square plus epsilon
    elif op.kind == "gelu":
        kind = str(values["mode"].item()) if "mode" in values else _GELU["none"]
        wanted = _GELU.get(getattr(owner, "approximate", None) or "none", "")
        yield Found(output, module, "GELU", kind, wanted)
    elif op.kind in _UPSAMPLE.values():
        wanted = _UPSAMPLE.get(getattr(owner, "interpolation_mode", None) or "", "")
        if wanted:
            yield Found(output, module, "upsampling", op.kind, wanted)
    right = getattr(owner, "eps", None)
    for value in (values[name] for name in epsilons if name in values):
        if value.size == 1 and right is not None:
            yield Found(output, module, "epsilon", float(value.reshape(-1)[0]), float(right))


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
