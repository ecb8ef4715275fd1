"""What the demo found as one HTML file to look at: no network, no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mobileo_export.bundle.manifest import weights_text
from mobileo_export.evaluation import scenes, titles
from mobileo_export.html import render as html
from mobileo_export.html.text import figure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.demo.result import Demo
    from mobileo_export.evaluation.run import Done


def render(demo: Demo) -> str:
    """The page. The same values give the same text."""
    values = {
        "ok": demo.findings.ok,
        "count": len(demo.items),
        "shown": list(_tiles(demo)),
        "beside": _beside(demo),
        "suites": {suite: _by_category(demo, suite) for suite in titles.SUITES},
        "seed": demo.results.seed,
        "scores": demo.results.scores(),
        "artifacts": list(_artifacts(demo)),
        "terms": demo.manifest["license"],
    }
    names = {
        "titles": titles.SUITES,
        "category": titles.category,
        "scene_picture": scenes.draw,
        "given": "The picture it was given",
    }
    return html.render("demo/page.html", values, names)


def _tiles(demo: Demo) -> Iterator[tuple[str, str, str, bool]]:
    for score in demo.results.scores():
        if score.category == "overall":
            yield titles.SUITES[score.suite], f"{score.right} of {score.count}", "right", True
    comparison = demo.findings.comparison
    rows = [
        r.holds for c in comparison.components for k in c.cases for o in k.outputs for r in o.rows
    ]
    yield "Parity bounds that hold", f"{sum(rows)} of {len(rows)}", "", all(rows)
    chain = demo.findings.chain
    images = [c.image.psnr for c in chain.chains if c.image is not None] if chain else []
    if images:
        yield "Picture beside PyTorch's", figure(min(images), "psnr"), "at least", True


def _beside(demo: Demo) -> tuple[Done, NDArray[np.uint8], int, int] | None:
    """The first picture, the same by PyTorch, how many pixels differ, and by how much at most."""
    first = demo.items[0]
    if demo.reference is None or first.pixels is None:
        return None
    apart = abs(first.pixels.astype(int) - demo.reference.astype(int)).max(-1)
    return first, demo.reference, int((apart > 0).sum()), int(apart.max())


def _artifacts(demo: Demo) -> Iterator[tuple[str, str, str, int]]:
    """Component, path, precision of its weights and bytes."""
    sizes = {item["path"]: int(item["size"]) for item in demo.manifest["files"]}
    for name, entry in demo.manifest["components"].items():
        for artifact in entry["artifacts"]:
            path = artifact["path"]
            size = sum(n for file, n in sizes.items() if f"{file}/".startswith(f"{path}/"))
            yield name, path, weights_text(artifact), size


def _by_category(demo: Demo, suite: str) -> dict[str, list[Done]]:
    found: dict[str, list[Done]] = {}
    for done in demo.items:
        if done.item.suite == suite:
            found.setdefault(done.item.category, []).append(done)
    return found
