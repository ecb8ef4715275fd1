"""Whether an output lies within its gate, and whether an artifact's files are as sealed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.components import LAYOUTS
from mobileo_export.parity import gates, metrics

if TYPE_CHECKING:
    from mobileo_export.runtimes.base import Array


def judge(gate: gates.Gate, name: str, reference: Array, found: Array) -> tuple[bool, str]:
    """Whether an output lies within its gate, and its figures in words."""
    problem = metrics.unlike(reference, found)
    if problem is not None:
        return False, f"{name} {problem}"
    measured = metrics.compare(reference, found, LAYOUTS[name], gate.slice_floor)
    rows = gates.apply(gate, measured)
    failed = [row for row in rows if not row.holds]
    worst = f", worst {measured.worst[0]}" if measured.worst else ""
    shown = failed or [row for row in rows if row.metric != "finite"]
    figures = ", ".join(f"{row.metric} {row.value:.1e} (gate {row.limit:g})" for row in shown)
    return not failed, f"{name}: {figures}{worst}"


def unsealed(bundle: Path, content: dict[str, Any], artifact: str) -> tuple[str, ...]:
    """Files of an artifact that are not as the manifest lists them."""
    from mobileo_export.bundle import seal

    prefix = artifact + "/"
    inside = [
        {**item, "path": item["path"].removeprefix(prefix)}
        for item in content["files"]
        if item["path"].startswith(prefix)
    ]
    problems = seal.verify(bundle / artifact, {"files": inside})
    return tuple(prefix + problem.path for problem in problems)
