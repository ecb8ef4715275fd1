"""Which engines a bundle needs, and what building and running them takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.engine import stamp
from mobileo_export.bundle import manifest
from mobileo_export.errors import BundleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mobileo_export.artifacts.engine.stamp import Place

# Of the weights: TensorRT holds the parsed network, its own copy of the weights and the engine
# (measured without a GPU: 7.3 GB for a graph of 2.4 GB), and tries kernels beside that.
_BUILD_FACTOR = 3.1
_DISK_FACTOR = 1.1


@dataclass(frozen=True)
class EnginePlan:
    """One engine to be built.

    Attributes:
        component: that the graph belongs to.
        name: of the graph.
        precision: float32 or float16, of the component.
        where: its files.
        size: bytes of the ONNX file and its weights.
        profiles: in order, ``{"name": …, "shapes": {input: [min, typical, max]}}``.
    """

    component: str
    name: str
    precision: str
    where: Place
    size: int
    profiles: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class BundleNeeds:
    """Of a whole bundle, in bytes; ``largest`` is the graph that takes the most to build."""

    largest: str
    build_memory: int
    disk: int


def engines(bundle: Path, components: Sequence[str] | None = None) -> tuple[EnginePlan, ...]:
    """The engines of a jetson bundle, of all components or some, the largest first.

    The largest is the likeliest to fail: who waits learns of it at once.

    Raises:
        BundleError: it is no bundle, damaged, or for another target.
        UsageError: a component is not in it.
    """
    content = manifest.read(bundle)
    entries = content["components"]
    for name in components or ():
        if name not in entries:
            raise UsageError(f"{bundle}: has no {name}; choose from {', '.join(entries)}")
    sizes = {file["path"]: file["size"] for file in content["files"]}
    found = []
    for component, entry in entries.items():
        artifact = entry["artifacts"][0]
        if artifact["kind"] != "onnx":
            raise BundleError(
                f"{bundle}: is a bundle for {artifact['target']}; make one for the board with "
                "mobileo-export export CHECKPOINT --target jetson"
            )
        if components is not None and component not in components:
            continue
        for graph in artifact["graphs"]:
            path = graph["path"]
            found.append(
                EnginePlan(
                    component,
                    graph["name"],
                    artifact["compute_precision"],
                    stamp.place(bundle / path),
                    sizes.get(path, 0) + sizes.get(path + manifest.EXTERNAL_DATA, 0),
                    tuple(
                        {"name": name, "shapes": _shapes(graph["inputs"], bounds)}
                        for name, bounds in graph["profiles"].items()
                    ),
                )
            )
    return tuple(sorted(found, key=lambda plan: -plan.size))


def needs(plans: Sequence[EnginePlan]) -> BundleNeeds:
    """What building all of ``plans`` takes, one at a time."""
    largest = plans[0]
    return BundleNeeds(
        largest.where.onnx.name,
        build_memory(largest),
        int(sum(plan.size for plan in plans) * _DISK_FACTOR),
    )


def build_memory(plan: EnginePlan) -> int:
    """Bytes that building takes, roughly."""
    return int(plan.size * _BUILD_FACTOR) + (300 << 20)


def _shapes(
    inputs: Sequence[Mapping[str, Any]], bounds: Mapping[str, Sequence[int]]
) -> dict[str, list[list[int]]]:
    """The three shapes of every input that varies."""
    shapes = {}
    for tensor in inputs:
        if not any(isinstance(dim, dict) for dim in tensor["shape"]):
            continue
        shapes[tensor["name"]] = [
            [_size(dim, bounds, which) for dim in tensor["shape"]] for which in range(3)
        ]
    return shapes


def _size(dim: int | Mapping[str, Any], bounds: Mapping[str, Sequence[int]], which: int) -> int:
    if isinstance(dim, int):
        return dim
    given = bounds.get(dim["name"]) or (dim["min"], dim["default"], dim["max"])
    return int(given[which])
