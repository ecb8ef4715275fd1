"""The commands of the README and the pages that go on from it work, in the order of a reader."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import assets
from mobileo_export.compression import plan
from mobileo_export.evaluation import judge
from mobileo_export.pipelines import images
from tests.exports import begun

if TYPE_CHECKING:
    import pytest

    from tests.command import Command
    from tests.exports import Exports

README = Path(__file__).parent.parent / "README.md"
DOCS = README.parent / "docs"
PAGES = (README, *(DOCS / name for name in ("export.md", "checking.md", "merging.md")))
MOST_WORDS = 1200  # it stays a page
_BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n)?```(bash|python)\n(.*?)```", re.DOTALL)
_DRAWN = re.compile(r'generate \S+ "(two|three|four) (\w+) (\w+)s\b[^"]*" -o (\S+)')
_COUNTS = {"two": 2, "three": 3, "four": 4}


def blocks() -> list[tuple[str, str]]:
    """Language and text of every block that is meant to run here."""
    found = []
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for skipped, language, text in _BLOCK.findall(pages):
        lines = [line for line in text.splitlines() if not line.startswith("make ")]
        if not skipped and any(lines):
            found.append((language, "\n".join(lines)))
    return found


def plain(line: str) -> list[str]:
    """The words of a call of our program that needs no shell and starts no process of its own."""
    words = shlex.split(line, comments=True)
    ours = words[:1] == ["mobileo-export"] and words[1] != "export"
    return words[1:] if ours and not {"|", "||", "&&", ">", ";"} & set(words) else []


def test_readme_commands(
    command: Command, exported: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line; most in this process, which need not import torch each time.

    The first export begins with nothing, the others go on where one was interrupted: what they
    convert was converted before, here or for other tests.
    """
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    source: Any = {"checkpoint": assets.miniature(), "source_name": assets.MINIATURE}
    stored = plan.load("w8", "mlx")
    mac = exported(**source, target="mlx", precision="float16", compression=stored)
    begun(mac, tmp_path / "mac-bundle")
    begun(exported(**source, target="jetson"), tmp_path / "jetson-bundle")
    begun(exported(**source, only="mcp,llm", llm_bits=4), tmp_path / "bundle4")
    assert len(blocks()) >= 10
    here, before = 0, set()
    for language, text in blocks():
        for line in text.splitlines() if language == "bash" else [text]:
            if line in before:  # on another page, of the same bundle
                continue
            before.add(line)
            if language == "bash" and plain(line):
                done = command(*plain(line))
                assert done.code == 0, f"{line}\n{done.out}\n{done.err}"
                here += 1
                continue
            typed = ["bash", "-euc", line] if language == "bash" else [sys.executable, "-c", line]
            result = subprocess.run(typed, capture_output=True, text=True, check=False)
            assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
    assert here >= 15
    assert (tmp_path / "bundle" / "manifest.json").is_file()
    check_drawings(tmp_path)


def check_drawings(folder: Path) -> None:
    """A reader who looks at what was drawn sees what was asked for."""
    drawn = _DRAWN.findall("\n".join(text for _, text in blocks()))
    assert len(drawn) == 2
    for count, color, shape, name in drawn:
        things = judge.look(images.read(folder / name)).things
        expected = [(shape, color)] * _COUNTS[count]
        assert [(thing.shape, thing.color) for thing in things] == expected, name


def test_readme_names_every_make_target_it_mentions() -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    mentioned = set(re.findall(r"(?m)(?:^|`)make ([a-z-]+)", README.read_text(encoding="utf-8")))
    assert mentioned <= targets | {"demo"}, mentioned - targets


def test_readme_is_a_page() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


def test_the_page_of_exporting_names_every_option() -> None:
    text = (DOCS / "export.md").read_text(encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "mobileo_export", "export", "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    options = set(re.findall(r"--[a-z-]+", result.stdout)) - {"--help", "--target", "--output"}
    assert options <= set(re.findall(r"--[a-z-]+", text)), options
