"""``mobileo-export demo`` as a user types it."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from mobileo_export import assets
from mobileo_export.demo import run as demo
from tests.exports import begun

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command
    from tests.exports import Exports


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "ITEMS", 1)


def test_it_exports_checks_and_shows(command: Command, tmp_path: Path, exported: Exports) -> None:
    """Of an export that was interrupted before: what it converted is not converted again."""
    output = tmp_path / "demo"
    begun(exported(assets.miniature(), source_name=assets.MINIATURE), output / "bundle")
    assert not (output / "bundle").exists()
    done = command("demo", "--output", output, "--json")
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert result["parity"]["ok"]
    assert result["seconds"].keys() == {"export", "verify", "use"}
    outcomes = result["evaluation"]["outcomes"]
    assert {o["suite"] for o in outcomes} == {"draw", "edit", "ask", "chat"}
    page = (output / "index.html").read_text(encoding="utf-8")
    drawn = [o for o in outcomes if o["suite"] in {"draw", "edit"}]
    # All that was drawn and given, and one picture again beside PyTorch's.
    assert page.count("data:image/png;base64,") == 2 + len(drawn) + sum(
        o["suite"] in {"ask", "edit"} for o in outcomes
    )
    assert "left PyTorch, right the bundle" in page
    assert 'href="../index.html"' in (output / "parity" / "report.html").read_text("utf-8")
    for outcome in outcomes:
        assert outcome["text"] in page
    gallery = page[page.index('id="drawn"') : page.index('id="judged"')]
    verdicts = [gallery.count(f'class="mark {kind}"') for kind in ("ok", "bad")]
    assert verdicts == [sum(o["right"] is right for o in outcomes) for right in (True, False)]
    # Nothing from elsewhere: the page can be opened anywhere.
    assert set(re.findall(r'(?:src|href)="([^"]{0,20})', page)) <= {
        "data:image/png;base6",
        "parity/report.html",
    }
    assert (output / "parity" / "report.html").is_file()
    assert (output / "bundle" / "manifest.json").is_file()


def test_a_gate_that_fails_is_exit_code_1(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = SimpleNamespace(
        ok=False, failures=lambda: ["dit: off"], comparison=SimpleNamespace(components=())
    )
    found = SimpleNamespace(
        findings=findings,
        results=SimpleNamespace(scores=list),
        seconds={"export": 1.0},
        page=tmp_path / "index.html",
    )
    monkeypatch.setattr(demo, "run", lambda *arguments: found)
    done = command("demo", "--output", tmp_path)
    assert done.code == 1
    assert "error: dit: off" in done.err
    assert "NOT every gate holds" in done.out


def test_a_folder_that_cannot_be_used(command: Command, tmp_path: Path) -> None:
    bundle = tmp_path / "demo" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "mine.txt").write_text("precious")
    done = command("demo", "--output", tmp_path / "demo")
    assert done.code == 2
    assert "is not a bundle of ours and is left alone" in done.err
    assert (bundle / "mine.txt").read_text() == "precious"
