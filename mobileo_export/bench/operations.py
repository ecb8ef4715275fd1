"""The costliest operations of a bundle's artifacts, or of a package alone, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.bench import graph_cost
from mobileo_export.bench.bundle_cost import LANGUAGE_MODEL, BundleCost
from mobileo_export.bench.cost import CallCost, costliest
from mobileo_export.bench.language_cost import LanguageCall
from mobileo_export.checkpoint import recognise
from mobileo_export.components import SEQUENCE
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

TOP = 10  # rows of each artifact, unless another number is asked for


def report(path: Path, top: int = TOP, tokens: int | None = None) -> dict[str, Any]:
    """What one call of each artifact costs, its ``top`` operations, and sums by torch module.

    Args:
        path: a bundle, or a package outside one.
        top: how many rows of each artifact; operations of repeated blocks are one.
        tokens: of a prompt; the usual number for None, a package's default sizes.

    Raises:
        UsageError: there is neither, or a size is out of bounds.
        BundleError: an artifact is damaged, or cannot be followed.
        MissingDependencyError: what follows a graph is not installed.
    """
    if top < 1:
        raise UsageError(f"--top is {top}; choose 1 or more")
    if not recognise.is_bundle(path):
        if tokens is not None:
            raise UsageError(f"--tokens goes with a bundle, which names its sizes; {path} is none")
        if not (path / "Manifest.json").is_file():
            raise UsageError(
                f"{path}: neither a bundle nor a Core ML package; operations are counted of what "
                "is saved: export it first"
            )
        (call,) = graph_cost.of_package(path)
        return _content("package", path, [_artifact("", path.name, call, top)])
    cost = BundleCost(path)
    length = SEQUENCE.default if tokens is None else tokens
    artifacts = []
    for name in cost.names:
        call = (
            cost.read(LanguageCall(length)) if name == LANGUAGE_MODEL else cost.call(name, N=length)
        )
        file = cost.content["components"][name]["artifacts"][0]["path"]
        artifacts.append(_artifact(name, file, call, top))
    return {**_content("bundle", path, artifacts), "tokens": length}


def _content(kind: str, path: Path, artifacts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": kind, "path": str(path), "artifacts": artifacts}


def _artifact(component: str, path: str, call: CallCost, top: int) -> dict[str, Any]:
    parts = call.by_module().values()
    modules = [
        {
            "module": part.module,
            "flops": part.flops,
            "elementwise": part.elementwise,
            "moved": part.moved,
            "stored": part.stored,
        }
        for part in sorted(parts, key=lambda part: part.flops, reverse=True)
    ]
    return {
        "component": component,
        "path": path,
        **call.as_json(),
        "count": len(call.operations),
        "operations": costliest(call, top),
        "modules": modules,
    }
