"""The page of ``explain``: the verdict, where, how much and why."""

from __future__ import annotations

import math
from dataclasses import replace

from mobileo_export.parity.explain import page
from mobileo_export.parity.explain.results import (
    CaseCheck,
    Culprit,
    Divergence,
    Explanation,
    WalkStep,
)
from tests.html.reading import in_order

STEPS = (
    WalkStep("fuse.0", "Linear", "linear_0", "linear", "a", 2e-7, 0.0),
    WalkStep("fuse.1", "GELU", "gelu_0", "gelu", "b", 3e-7, 2e-7),
    WalkStep("out", "Linear", "linear_1", "linear", "c", 0.25, 3e-7),
)
FINE = Explanation(
    "/home/someone/bundle", "/home/someone/ck", "mcp", "connector.mlpackage",
    (CaseCheck("noise", True, "relative_l2 3e-07"), CaseCheck("8 tokens", True, "")),
    STEPS[:2], None, None,
)  # fmt: skip
BAD = replace(
    FINE,
    cases=(FINE.cases[0], CaseCheck("8 tokens", False, "conditioning: relative_l2 2.5e-01")),
    steps=STEPS,
    culprit=2,
    finding=Divergence(
        "other values",
        "conditioning: relative_l2 2.5e-01 (gate 3e-06)",
        Culprit("out", "Linear", ("model.out.weight",), "linear_1", "linear", "c", "out_<w>"),
        "512 values differ",
        "export it again",
    ),
    unsealed=("connector.mlpackage/weight.bin",),
)
TOOLS = {"coremltools": "9.0"}


def test_where_how_much_and_why() -> None:
    shown = page.render(BAD, TOOLS)
    in_order(
        shown,
        [
            'class="verdict bad"',
            "Conditioning projector: diverges at out",
            "connector.mlpackage of bundle, against ck. conditioning: relative_l2 2.5e-01",
            "1 of 2",
            "0.25",
            "jumps after out",
            "3×10⁻⁷",
            "×8.3×10⁵",
            "not as sealed: connector.mlpackage/weight.bin",
            "Other values",
            "512 values differ",
            "export it again",
            "<dd>out (Linear)</dd>",
            "<dd>model.out.weight</dd>",
            "<dd>linear_1 (linear) → c</dd>",
            "<dd>out_&lt;w&gt;</dd>",
            "fuse.0",
            '<div class="row failed">',
            "▶",
            "here, ×8.3×10⁵",
            "2 cases run, up to the first that fails",
            "<dt>made with coremltools</dt><dd>9.0</dd>",
            "<dt>torch</dt>",
        ],
    )
    assert "someone" not in shown
    # 1e-8 … 1 is the whole width: 0.25 lies 7.4 of 8 decades along.
    assert 'class="h8" width="92.47%"' in shown


def test_nothing_diverges() -> None:
    shown = page.render(FINE, TOOLS)
    in_order(
        shown,
        [
            'class="verdict ok"',
            'class="sign"',
            "Conditioning projector: nothing diverges",
            "Every case lies within its gate",
            "2 of 2",
            "grows most after fuse.0",
        ],
    )
    assert "Where and why" not in shown
    assert "up to the first" not in shown


def test_what_is_noted_takes_the_sign_of_success_away() -> None:
    shown = page.render(replace(FINE, notes=("a scale differs",)), TOOLS)
    assert 'class="sign"' not in shown
    assert "a scale differs" in shown


def test_an_error_without_a_number_fills_the_scale() -> None:
    steps = (replace(STEPS[2], error=math.inf),)
    shown = page.render(replace(BAD, steps=steps, culprit=0), TOOLS)
    assert 'width="100.00%"' in shown
    assert "∞" in shown


def test_the_language_model_has_no_graph() -> None:
    shown = page.render(replace(FINE, component="llm", artifact="llm", steps=()), TOOLS)
    assert "Language model: nothing diverges" in shown
    assert "Every tensor is as quantized from the checkpoint." in shown
    assert "How the error grows" not in shown
