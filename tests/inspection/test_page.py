"""The page of ``diff``: what changed in words first, then manifest, tensors, graph and files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.bundle.seal import Problem
from mobileo_export.inspection import page
from mobileo_export.inspection.difference import ArtifactChange, Difference, FileChange
from mobileo_export.inspection.difference_fields import ChangedField
from mobileo_export.inspection.difference_graph import GraphChange
from mobileo_export.inspection.difference_tensors import TensorChange
from tests.html.reading import in_order

if TYPE_CHECKING:
    import pytest

TENSORS = tuple(
    TensorChange(f"blocks.{n}.weight", "fp32[4]", "fp16[4]", 0.5 / (n + 1), 2e-7, 0.25)
    for n in range(25)
)
CHANGED = Difference(
    Path("/home/someone/old"),
    Path("/home/someone/<new>"),
    ((), ()),
    ((), ("dit",)),
    (FileChange("mcp.mlpackage/model", 10_000, 20_000), FileChange("golden/x", None, 5)),
    (ChangedField("tools.torch", "a" * 64, "2.1"), ChangedField("recipe.x", 1 / 3, None)),
    (
        ArtifactChange(
            "mcp", "mcp.mlpackage", TENSORS, 3, {"linear": (4, 1234)},
            (GraphChange("set", "gelu", "mlp.act", "op", "mode: EXACT -> TANH"),),
        ),
        ArtifactChange("llm", "llm", note="contents not compared: /home/someone/old/llm: damaged"),
    ),
)  # fmt: skip


def test_words_come_first_and_everything_follows() -> None:
    shown = page.render(CHANGED)
    texts = [
        "old and &lt;new&gt; differ",
        "What changed: with dit added; mcp: 25 of 28 tensors by up to 0.5 of their size",
        "25 of 28",
        'id="manifest"',
        "aaaaaaaaaaaa…",
        "0.333333",
        "25 of 28 tensors differ, and so does the graph",
        "blocks.<wbr>0.<wbr>weight",
        "2×10⁻⁷",
        "fp32[4] → fp16[4]",
        "5 more",
        "blocks.<wbr>24.<wbr>weight",
        "1,234",
        "mode: EXACT -&gt; TANH",
        "contents not compared: old/llm: damaged",
        'id="files"',
        "20.0 kB",
        'id="environment"',
        "Python",
    ]
    in_order(shown, texts)
    assert "someone" not in shown
    assert 'class="verdict ok"' in shown
    assert 'class="sign"' not in shown


def test_the_same_bundles_are_said_to_be_the_same() -> None:
    same = replace(CHANGED, components=((), ()), files=(), fields=(), artifacts=())
    shown = page.render(same)
    assert "are identical" in shown
    assert 'class="sign"' in shown
    assert "What changed" not in shown
    assert "<table" not in shown


def test_a_broken_seal_is_no_mere_difference() -> None:
    broken = replace(
        CHANGED, broken=((), (Problem("llm/config.json", "content", "another sha256"),))
    )
    shown = page.render(broken)
    assert 'class="verdict bad"' in shown
    assert "&lt;new&gt;: llm/config.json (content)" in shown


def test_date_and_commit_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    assert "<dt>date</dt>" not in page.render(CHANGED)
    assert page.render(CHANGED) == page.render(CHANGED)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    shown = page.render(CHANGED)
    assert "<dt>date</dt><dd>2023-11-14 22:13 UTC</dd>" in shown
    assert "<dt>commit</dt><dd>c0ffee</dd>" in shown
