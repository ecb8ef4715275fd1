"""What ``diff`` found, in a sentence: which components, of what they consist, and what else."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobileo_export.inspection.difference import ArtifactChange, Difference

_MOST = 4  # options that are named with their values
# Of a component: components.llm.artifacts.0.options.bits.
_OPTION = re.compile(r"^components\.(\w+)\.artifacts\.\d+\.options\.")
# What the first part of a field's path in a manifest states.
_FIELDS = {
    "components": "what the manifest states of components",
    "generator": "the version of mobileo-export",
    "golden": "the golden trace",
    "license": "the licence",
    "recipe": "the recipe",
    "source": "the source",
    "tools": "versions of tools",
}


def sentence(found: Difference) -> str:
    """The whole difference; ``found`` has one."""
    old, new = found.components
    parts = [f"without {', '.join(old)}"] if old else []
    parts += [f"with {', '.join(new)} added"] if new else []
    parts += [_artifact(change) for change in found.artifacts]
    options = [field for field in found.fields if _OPTION.search(field.path)]
    parts += [
        f"{_OPTION.sub(_named, f.path)} {_value(f.old)} → {_value(f.new)}" for f in options[:_MOST]
    ]
    left = [field for field in found.fields if field not in options[:_MOST]]
    tops = Counter(field.path.partition(".")[0] for field in left)
    parts += [f"{_FIELDS.get(top, top)} ({count})" for top, count in tops.items()]
    parts += list(_files(found))
    for side, problems in zip((found.old, found.new), found.broken, strict=True):
        if problems:
            parts.append(f"{side} is not as it was sealed")
    return f"What changed: {'; '.join(parts)}."


def _named(path: re.Match[str]) -> str:
    return f"{path[1]} "


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _artifact(change: ArtifactChange) -> str:
    told = []
    every = len(change.tensors) + change.tensors_equal
    if change.note is not None:
        told.append(change.note)
    if change.tensors:
        told.append(f"{len(change.tensors)} of {every} tensors{_distance(change)}")
    if change.graph or change.operations:
        told.append("another graph")
    return f"{change.component}: {', '.join(told) or 'files beside its tensors'}"


def _distance(change: ArtifactChange) -> str:
    """How far the most different of the tensors went; nothing where that cannot be said."""
    measured = [t.relative_l2 for t in change.tensors if t.relative_l2 is not None]
    stored = any(t.old != t.new for t in change.tensors)
    if not measured:
        return ", stored otherwise" if stored else ""
    return f" by up to {max(measured):.2g} of their size" + (", stored otherwise" * stored)


def _files(found: Difference) -> Iterator[str]:
    kinds = Counter(change.kind for change in found.files)
    if kinds:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        grown = sum((c.new_size or 0) - (c.old_size or 0) for c in found.files)
        size = f", {bytes_text(abs(grown))} {'more' if grown > 0 else 'less'}" if grown else ""
        yield f"files: {counts}{size}"
