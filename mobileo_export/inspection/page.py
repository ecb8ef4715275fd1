"""What changed from one bundle to another as one HTML file to look at: no network, no script."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__
from mobileo_export.html import origin
from mobileo_export.html import render as html
from mobileo_export.html.text import name, scientific
from mobileo_export.inspection import difference_in_words
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mobileo_export.inspection.difference import ArtifactChange, Difference
    from mobileo_export.inspection.difference_tensors import TensorChange

_LONGEST = 200  # characters of one value
_DIGEST = re.compile(r"[0-9a-f]{64}")
Tile = tuple[str, str, str, bool]


def render(found: Difference) -> str:
    """The page. The same values give the same text."""
    found = _without_paths(found)
    broken = [
        f"{side}: {problem.path} ({problem.kind})"
        for side, problems in zip((found.old, found.new), found.broken, strict=True)
        for problem in problems
    ]
    values = {
        "ok": not broken,
        "found": found,
        "sentence": "" if found.same else difference_in_words.sentence(found),
        "shown": _tiles(found),
        "broken": broken,
        "fields": [(f.path, _value(f.old), _value(f.new)) for f in found.fields],
        "files": [(c.kind, c.path, _size(c.old_size), _size(c.new_size)) for c in found.files],
        "environment_of": {
            "old": found.old,
            "new": found.new,
            "mobileo-export": __version__,
            **origin.made_with(()),
        },
    }
    names = {"tensor_rows": _tensor_rows, "count_rows": _count_rows, "graph_rows": _graph_rows}
    return html.render("inspection/page.html", values, names)


def _without_paths(found: Difference) -> Difference:
    """The same without where on this machine the bundles lie."""
    names = {str(place): origin.without_path(str(place)) for place in (found.old, found.new)}

    def named(note: str | None) -> str | None:
        for place, short in names.items():
            note = note and note.replace(place, short)
        return note

    return replace(
        found,
        old=Path(names[str(found.old)]),
        new=Path(names[str(found.new)]),
        artifacts=tuple(replace(change, note=named(change.note)) for change in found.artifacts),
    )


def _tiles(found: Difference) -> list[Tile]:
    changed = sum(len(a.tensors) for a in found.artifacts)
    every = changed + sum(a.tensors_equal for a in found.artifacts)
    measured = [
        t.relative_l2 for a in found.artifacts for t in a.tensors if t.relative_l2 is not None
    ]
    apart = f"the farthest by {scientific(max(measured))}" if measured else ""
    graphs = [a for a in found.artifacts if a.graph or a.operations]
    told = ", ".join(name(a.component) for a in graphs)
    return [
        ("Files that differ", f"{len(found.files):,}", "", True),
        ("Fields of the manifest", f"{len(found.fields):,}", "", True),
        ("Tensors that differ", f"{changed:,} of {every:,}" if every else "0", apart, True),
        ("Graphs that differ", f"{len(graphs)}", told, True),
    ]


def _tensor_rows(change: ArtifactChange) -> list[tuple[str, ...]]:
    return [
        (
            tensor.name,
            "" if tensor.relative_l2 is None else scientific(tensor.relative_l2),
            "" if tensor.max_abs is None else scientific(tensor.max_abs),
            "" if tensor.changed is None else f"{tensor.changed:.1%}",
            _stored(tensor),
        )
        for tensor in change.tensors
    ]


def _stored(tensor: TensorChange) -> str:
    if tensor.old in {None, tensor.new}:
        return tensor.new or "removed"
    return f"{tensor.old} → {tensor.new or 'removed'}"


def _count_rows(change: ArtifactChange) -> list[tuple[str, str, str]]:
    counts = change.operations or {}
    return [(kind, f"{old:,}", f"{new:,}") for kind, (old, new) in counts.items()]


def _graph_rows(change: ArtifactChange) -> Sequence[tuple[str, ...]]:
    return [(c.kind, c.operation, c.module or c.name, c.detail) for c in change.graph]


def _size(size: int | None) -> str:
    return "" if size is None else bytes_text(size)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else repr(value)
    if _DIGEST.fullmatch(text):
        return f"{text[:12]}…"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
