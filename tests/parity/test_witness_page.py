"""The page of ``witness``: who agrees, how far apart, and who is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mobileo_export.parity import witness, witness_page
from mobileo_export.parity.witness import PairError, Witnessed
from tests.html.reading import in_order

BUNDLES = (Path("/home/someone/ios"), Path("/home/someone/core"))
BOUNDS = (3e-6, 1e-5)
GOOD = PairError("PyTorch", "coreai", 2e-7, 9e-7, "noise, conditioning, token 3", BOUNDS)
BAD = PairError("PyTorch", "mil", 0.25, 0.5, "8 tokens, conditioning, <token 1>", BOUNDS)
AGREE = witness.Testimony("mcp", ("PyTorch", "coreai"), (GOOD,))
APART = witness.Testimony(
    "dit", ("PyTorch", "mil", "coreai"), (BAD, GOOD), "mil", "mil stands alone; /home/someone/ios"
)
FINE = Witnessed((AGREE,), ("llm: not in /home/someone/ios",), ("coreai",))
WRONG = replace(FINE, testimonies=(AGREE, APART), runtimes=("mil", "coreai"))


def test_who_agrees_and_how_far_apart() -> None:
    shown = witness_page.render(FINE, BUNDLES, "/home/someone/ck")
    texts = [
        'class="verdict ok"',
        "All agree",
        "ios, core and PyTorch on ck",
        "1 of 1",
        "2<small>PyTorch, coreai",
        "2×10⁻⁷",
        "Left out",
        "llm: not in ios",
        'id="mcp"',
        "PyTorch – coreai",
        "agree</span>",
        "9×10⁻⁷",
        "noise, conditioning, token 3",
        "Environment",
    ]
    in_order(shown, texts)
    assert "someone" not in shown
    assert "Who is wrong" not in shown
    assert shown == witness_page.render(FINE, BUNDLES, "/home/someone/ck")


def test_who_is_wrong_is_at_the_top() -> None:
    shown = witness_page.render(WRONG, BUNDLES, "/home/someone/ck")
    texts = [
        'class="verdict bad"',
        "apart</h1>",
        "1 of 2",
        "2 of 3",
        "Who is wrong",
        "mil stands alone; ios",
        'id="dit"',
        "apart</span>",
        "&lt;token 1&gt;",
    ]
    in_order(shown, texts)
    assert "All agree" not in shown
    assert 'class="sign"' not in shown
    assert "someone" not in shown


def test_one_that_could_not_run_has_no_table() -> None:
    broken = replace(AGREE, sides=("PyTorch", "mil"), pairs=(), verdict="mil: no such operation")
    shown = witness_page.render(replace(FINE, testimonies=(broken,)), BUNDLES, "ck")
    assert "mil: no such operation" in shown
    assert "<table" not in shown
