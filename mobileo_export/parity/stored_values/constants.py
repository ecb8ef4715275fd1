"""Settings and variants of a package's operations, held against the reference's own modules.

A wrong epsilon or the other GELU changes outputs by less than half precision's rounding, some by
less than float32's: no bound on outputs can notice. They are read instead, from the graph, and
compared with the attributes of the torch module that the operation came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.stored_values.package_graph import PackageGraph
    from mobileo_export.parity.stored_values.reference_modules import ReferenceModules

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

    def __str__(self) -> str:
        return (
            f"{self.module} ({self.operation}): {self.what} is {_text(self.package)}, "
            f"the reference has {_text(self.reference)}"
        )


def check(graph: PackageGraph, modules: ReferenceModules) -> Iterator[Found]:
    """Every epsilon of a norm, kind of GELU and kind of upsampling in ``graph``.

    Operations whose module says nothing of it are left out.
    """
    # Of the mean square plus epsilon.
    reciprocal = {name for op in graph.ops if op.kind == "rsqrt" for name in op.references()}
    for op in graph.ops:
        output, module = op.outputs[0].name, graph.origin(op).module
        values = {item.parameter: item.values for item in graph.constants(op)}
        if op.kind == "layer_norm":
            yield from _epsilon(op, module, values.get("epsilon"), modules)
        elif op.kind == "add" and output in reciprocal:
            for parameter in ("x", "y"):
                yield from _epsilon(op, module, values.get(parameter), modules)
        elif op.kind == "gelu":
            kind = str(values["mode"].item()) if "mode" in values else _GELU["none"]
            wanted = _GELU.get(modules.attribute(module, "approximate") or "none", "")
            yield Found(output, module, "GELU", kind, wanted)
        elif op.kind in _UPSAMPLE.values():
            wanted = _UPSAMPLE.get(modules.attribute(module, "interpolation_mode") or "", "")
            if wanted:
                yield Found(output, module, "upsampling", op.kind, wanted)


def _epsilon(
    op: Op, module: str, value: NDArray[Any] | None, modules: ReferenceModules
) -> Iterator[Found]:
    wanted = modules.attribute(module, "eps")
    if value is not None and value.size == 1 and wanted is not None:
        found = float(value.reshape(-1)[0])
        yield Found(op.outputs[0].name, module, "epsilon", found, float(wanted))


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
