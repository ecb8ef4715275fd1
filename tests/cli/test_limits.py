"""``mobileo-export bench BUNDLE --limits``: what is printed, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mobileo_export.bench import chips, limits
from mobileo_export.bench.stages import STAGES
from mobileo_export.cli import limits_table

from ..bench import full_size
from ..command import Command


@pytest.mark.parametrize("width", [60, 80])
def test_tables_stay_whole_in_a_narrow_terminal(width: int) -> None:
    found = limits.on_chips(full_size.work(), chips.known())
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    limits_table.show(found, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    words = " ".join(text.split())
    for chip in chips.known():
        assert chip.name in words
    for cell in ("71.6 ms c", "1.92 s c", "145/s m", "13,082", "± 10%"):
        assert cell in text, cell
    if width == 80:
        for stage in full_size.work().stages:
            assert f"\n{STAGES[stage.name].title}  " in text


def test_limits_of_a_bundle_are_printed(tiny_bundle: Path, command: Command) -> None:
    done = command("bench", tiny_bundle, "--limits", "--device", "iPhone 17 Pro", "--quiet")
    assert done.code == 0
    assert done.err == ""
    assert "a picture: 20 steps with guidance, from 77 tokens" in done.out
    assert "A19 Pro, 6-core GPU" in done.out
    assert "M2 Pro" not in done.out


def test_limits_as_json(tiny_bundle: Path, command: Command) -> None:
    call = ("bench", tiny_bundle, "--limits", "--json", "--steps", "7")
    done = command(*call, "--device", "M4", "--device", "Jetson Orin Nano Super")
    assert (done.code, done.err) == (0, "")
    content = json.loads(done.out)
    assert content["sizes"]["steps"] == 7
    assert [chip["name"] for chip in content["chips"]] == ["M4", "Orin Nano Super"]
    floor = content["chips"][0]["floors"][0]
    assert floor["bound"] in {"compute", "memory"}
    assert 0 < floor["seconds"] <= floor["unfused"]


def test_what_cannot_be_counted_is_a_line(
    tiny_bundle: Path, tmp_path: Path, command: Command
) -> None:
    done = command("bench", tiny_bundle, "--limits", "--device", "Pixel 9")
    assert done.code == 2
    assert "'Pixel 9' is no chip or device that is known; choose from M2 Pro" in done.error()
    assert (
        "is no bundle; --limits counts what is saved"
        in command("bench", tmp_path, "--limits").error()
    )
    done = command("bench", tiny_bundle, "--limits", "--steps", "0")
    assert done.code == 2
    assert "steps" in done.error()
