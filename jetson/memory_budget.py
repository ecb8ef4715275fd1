"""Does it fit? What each component takes while it runs, beside what is free.

The pipelines hold one component at a time, so that the largest decides, not the sum.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.engine import stamp
from mobileo_export.bundle import manifest
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.jetson import board, engines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mobileo_export.processes.host import Host

# CUDA's context, TensorRT's and cuBLAS's code and Python itself; an assumption until measured.
PROCESS = 700 << 20
_BYTES = {"float32": 4, "float16": 2, "int32": 4}
# Of the language model, what has no side for the processor: see ``runtimes.tensorrt.decoder``.
_ON_DEVICE = frozenset({"past_keys", "past_values", "keys", "values", "next_hidden_states"})


@dataclass(frozen=True)
class BudgetRow:
    """One component while it runs, in bytes; ``scratch`` is None when the engine did not say."""

    component: str
    weights: int
    scratch: int | None
    buffers: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + (self.scratch or 0) + self.buffers


@dataclass(frozen=True)
class Budget:
    """The components of a run in the order in which they are loaded."""

    rows: tuple[BudgetRow, ...]
    available: int | None

    @property
    def peak(self) -> int:
        """At most at one time, the process included."""
        return PROCESS + max(row.total for row in self.rows)

    @property
    def fits(self) -> bool:
        """Whether the largest component fits; True where the free memory is unknown."""
        return self.available is None or self.peak <= self.available

    @property
    def together(self) -> bool:
        """Whether all would fit at once."""
        whole = PROCESS + sum(row.total for row in self.rows)
        return self.available is not None and whole <= self.available

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        rows = [{**asdict(row), "total": row.total} for row in self.rows]
        return {"components": rows, "peak": self.peak, "available": self.available}

    def check(self) -> None:
        """Raise UsageError unless it fits."""
        if self.fits:
            return
        assert self.available is not None
        worst = max(self.rows, key=lambda row: row.total)
        raise UsageError(
            f"{worst.component} takes {self.peak / 1e9:.2f} GB with the process around it, "
            f"{self.available / 1e9:.2f} GB are free; end other programs and the desktop "
            "(mobileo-jetson preflight), or build from a float16 bundle; --ignore-budget tries "
            "nevertheless"
        )


def of(bundle: Path, components: Sequence[str], host: Host) -> Budget:
    """What ``components`` of ``bundle`` take, from their engines' stamps.

    Raises:
        BundleError: an engine is not built yet.
    """
    entries = manifest.read(bundle)["components"]
    rows = []
    for component in components:
        if component not in entries:
            raise BundleError(f"{bundle}: has no {component}; export it again without --only")
        graphs = {g["name"]: g for g in entries[component]["artifacts"][0].get("graphs", ())}
        weights, buffers = 0, 0
        scratch: list[int] = []
        for engine in engines.engines(bundle, [component]):
            found = stamp.read(engine.where)
            weights += found.size
            scratch += found.scratch
            buffers += _buffers(graphs[engine.name])
        rows.append(BudgetRow(component, weights, max(scratch, default=None), buffers))
    memory = board.memory(host)
    return Budget(tuple(rows), None if memory is None else memory.available)


def _buffers(graph: Mapping[str, Any]) -> int:
    """Inputs and outputs at their largest, on both sides."""
    largest: dict[str, int] = {}
    for tensor in graph["inputs"]:
        for dim in tensor["shape"]:
            if isinstance(dim, dict):
                largest[dim["name"]] = dim["max"]
    total = 0
    for tensor in (*graph["inputs"], *graph["outputs"]):
        shape = (largest[dim["name"]] if isinstance(dim, dict) else dim for dim in tensor["shape"])
        count = math.prod(shape)
        sides = 1 if tensor["name"] in _ON_DEVICE else 2
        total += count * _BYTES[tensor["dtype"]] * sides
    return total
