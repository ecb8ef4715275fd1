"""What several implementations computed as one HTML file to look at: no network, no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export import __version__
from mobileo_export.html import origin
from mobileo_export.html import render as html
from mobileo_export.html.text import name, scientific
from mobileo_export.parity.witness import REFERENCE
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mobileo_export.parity.witness import Witnessed

Tile = tuple[str, str, str, bool]


def render(found: Witnessed, bundles: Sequence[Path], checkpoint: str) -> str:
    """The page. The same values give the same text.

    Args:
        found: what there is to say.
        bundles: those that were heard.
        checkpoint: what they were compared with.
    """
    names = {str(bundle): origin.without_path(str(bundle)) for bundle in bundles}

    def named(line: str) -> str:
        """Without where on this machine the bundles lie."""
        for place, short in names.items():
            line = line.replace(place, short)
        return line

    apart = [t for t in found.testimonies if t.verdict is not None]
    short = origin.without_path(checkpoint)
    values = {
        "ok": found.ok,
        "found": found,
        "title": f"{', '.join(name(t.component) for t in apart)}: apart" if apart else "All agree",
        "sentence": f"{', '.join(names.values())} and PyTorch on {short}, on the same inputs.",
        "shown": list(_tiles(found)),
        "verdicts": [f"{name(t.component)}: {named(t.verdict or '')}" for t in apart],
        "left_out": [named(line) for line in found.left_out],
        "environment_of": {
            **{f"bundle {n}": bundle for n, bundle in enumerate(names.values(), 1)},
            "checkpoint": short,
            "mobileo-export": __version__,
            **origin.made_with(found.runtimes, extras.REFERENCE),
        },
    }
    return html.render("parity/witness.html", values, {})


def _tiles(found: Witnessed) -> Iterator[Tile]:
    every = found.testimonies
    agreed = sum(testimony.ok for testimony in every)
    yield "Components that agree", f"{agreed} of {len(every)}", "", agreed == len(every)
    heard = (REFERENCE, *found.runtimes)
    yield "Implementations", f"{len(heard)}", ", ".join(heard), True
    pairs = [(testimony.component, pair) for testimony in every for pair in testimony.pairs]
    if not pairs:
        return
    component, farthest = max(pairs, key=lambda told: told[1].relative_l2)
    note = f"{name(component)}: {farthest.first} and {farthest.second}"
    yield "Largest relative L2", scientific(farthest.relative_l2), note, farthest.agree
    within = sum(pair.agree for _, pair in pairs)
    yield "Pairs within bounds", f"{within} of {len(pairs)}", "", within == len(pairs)
