"""Commands on a terminal, as wide as people have them: no word cut, no table broken, verdict last.

What is stable of it lies in ``recorded``; ``MOBILEO_RECORD=1`` writes it anew.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.terminal import WIDTHS, Shown, show

RECORDED = Path(__file__).parent / "recorded"
# What is typed, and how the last line begins.
COMMANDS = {
    "export": ("export checkpoint -o new --only llm --overwrite", "sealed new: "),
    "whole export": ("export checkpoint -o whole --overwrite --fresh", "sealed whole: "),
    "inspect": ("inspect bundle", "licence of the weights: "),
    "doctor": ("doctor", "ready: "),
    "diff": ("diff bundle other", ""),
    "generate": ("generate bundle circle -o a.png --steps 2", "wrote a.png: 64 x 64, "),
    "verify": ("verify bundle --checkpoint checkpoint --only mcp", "Parity holds: bundle "),
    "bench": (
        "bench bundle --only mcp --runs 2 --warmups 0",
        "warning: run by mil on the processor",
    ),
    "chat": ("chat bundle --max-new-tokens 3", "warning: stopped after 3 tokens"),
}
STABLE = ("diff", "verify", "whole export")


@pytest.fixture(scope="module")
def terminals(
    tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path, tiny_checkpoint: Path
) -> dict[tuple[str, int], Shown]:
    """Every command at every width."""
    folder = tmp_path_factory.mktemp("terminals")
    (folder / "bundle").symlink_to(tiny_bundle)
    (folder / "checkpoint").symlink_to(tiny_checkpoint)
    other = shutil.copytree(tiny_bundle, folder / "other")
    (other / "llm" / "merges.txt").unlink()
    keys = [(name, width) for name in COMMANDS for width in WIDTHS]
    calls = [(width, COMMANDS[name][0].split()) for name, width in keys]
    said = "hello\n\n" * len(WIDTHS)
    return dict(zip(keys, show(calls, folder, said), strict=True))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal(terminals: dict[tuple[str, int], Shown], name: str, width: int) -> None:
    shown = terminals[name, width]
    assert shown.code == (1 if name == "diff" else 0), shown.text
    assert not shown.screen.cut(), f"a word is cut:\n{shown.text}"
    assert "…" not in shown.text.replace("N=8…", "").replace("T=1…", ""), shown.text
    assert "0/1" not in shown.text
    whole = " ".join(shown.lines)
    last = whole[whole.rfind(COMMANDS[name][1]) :]
    assert last.startswith(COMMANDS[name][1])
    assert name == "diff" or len(last) < 250, f"something follows the verdict: {last}"
    for line in shown.lines:
        assert not re.search(r"waiting|\d+:\d\d left", line), "not done at the end"
    if name in STABLE:
        check_recorded(f"{name.replace(' ', '-')}-{width}.txt", shown.text)


def check_recorded(name: str, text: str) -> None:
    """What was shown is what was recorded, numbers and bars apart."""
    plain = re.sub(r"━+", "━", re.sub(r"\d+(\.\d+)?(e-\d+)?", "0", text)) + "\n"
    plain = re.sub(r" +0:0", " 0:0", plain)
    place = RECORDED / name
    if os.environ.get("MOBILEO_RECORD"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(plain, encoding="utf-8")
    assert plain == place.read_text(encoding="utf-8")


def test_the_verdict_is_colored(terminals: dict[tuple[str, int], Shown]) -> None:
    assert "\x1b[1;32mParity holds" in terminals["verify", 80].raw
    assert "\x1b[32mholds" in terminals["verify", 80].raw


def test_progress_says_importing_and_done(terminals: dict[tuple[str, int], Shown]) -> None:
    raw = terminals["generate", 60].raw
    assert "importing" in raw  # the first of them that needs torch
    for name in ("llm", "mcp", "dit", "vae_decoder"):
        assert re.search(rf"(?m)^{name} +done ", terminals["generate", 60].text), name
    assert re.search(r"(?m)^bundle +done ", terminals["export", 60].text)


def test_what_is_said_in_a_chat_stands_alone(terminals: dict[tuple[str, int], Shown]) -> None:
    shown = terminals["chat", 60].lines
    assert "loading" not in "\n".join(shown)
    assert any(line.startswith("> hello") for line in shown)
