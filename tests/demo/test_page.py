"""The demo's page: all that was asked for is on it, right and wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mobileo_export.demo import page
from mobileo_export.demo.result import Demo
from mobileo_export.evaluation import run
from mobileo_export.evaluation.results import JudgedItem, Results

MANIFEST = {
    "license": {"weights": "CC <BY>", "weights_source": "the makers"},
    "files": [
        {"path": "llm/config.json", "size": 400_000},
        {"path": "llm/model.safetensors", "size": 1_600_000},
        {"path": "llm-else", "size": 9_000_000},
    ],
    "components": {"llm": {"artifacts": [{"path": "llm", "weight_precision": "int8"}]}},
}


def demo(ok: bool = True, wrong: tuple[str, ...] = ()) -> Demo:
    """One item a category; all are right, or all wrong."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    items = tuple(
        run.Done(
            item,
            JudgedItem(item.suite, item.category, item.text, "three <of> them", "2", 0, wrong),
            pixels if item.suite in {"draw", "edit"} else None,
        )
        for item in run.select(None, 1, 0)
    )
    rows = [SimpleNamespace(holds=True), SimpleNamespace(holds=ok)]
    case = SimpleNamespace(outputs=[SimpleNamespace(rows=rows)])
    comparison = SimpleNamespace(components=[SimpleNamespace(cases=[case])])
    findings: Any = SimpleNamespace(ok=ok, comparison=comparison, chain=None)
    results = Results("bundle", 7, tuple(done.outcome for done in items))
    return Demo(Path("demo"), findings, results, items, MANIFEST, {})


def test_all_is_shown_and_judged() -> None:
    found = demo()
    shown = page.render(found)
    for done in found.items:
        assert done.item.text.replace("'", "&#39;") in shown
        assert all(line.replace("'", "&#39;") in shown for line in done.item.before)
    assert shown.count('class="mark ok"') == len(found.items)
    assert shown.count("<img ") == sum(
        {"draw": 1, "edit": 2, "ask": 1, "chat": 0}[done.item.suite] for done in found.items
    )
    assert "The exported miniature computes what PyTorch computes" in shown
    assert "2.00 MB" in shown  # the folder's own files, not those of a name that begins alike
    assert "CC &lt;BY&gt;, the makers" in shown
    assert "chosen by seed 7" in shown


@pytest.mark.parametrize(("ok", "headline"), [(True, "computes"), (False, "does not compute")])
def test_the_headline_is_the_verdict(ok: bool, headline: str) -> None:
    shown = page.render(demo(ok))
    assert f"The exported miniature {headline} what PyTorch computes" in shown
    assert ('class="sign"' in shown) is ok
    assert ('<div class="failed"><dt>Parity bounds that hold</dt><dd>1 of 2' in shown) is not ok


def test_what_is_wrong_is_said() -> None:
    shown = page.render(demo(wrong=("shape", "color")))
    assert "✕</span> wrong shape, color</span>" in shown
    assert "✕</span> asked for three &lt;of&gt; them</span>" in shown
    assert 'class="mark ok"' not in shown


def test_one_picture_stands_beside_pytorchs() -> None:
    found = demo()
    assert "Side by side" not in page.render(found)
    equal = page.render(replace(found, reference=np.zeros((8, 8, 3), np.uint8)))
    assert "all pixels are equal" in equal
    assert equal.count("<img ") == page.render(found).count("<img ") + 2
    other = np.zeros((8, 8, 3), np.uint8)
    other[0, :3] = 1, 2, 3
    assert "3 of 64 pixels differ, by 3 of 255 levels at most" in page.render(
        replace(found, reference=other)
    )


def test_the_same_values_give_the_same_page() -> None:
    assert page.render(demo()) == page.render(demo())
