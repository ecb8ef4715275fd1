"""docs/install.md says what the extras bring; the Makefile installs no more than is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mobileo_export.doctor.packages import normal
from tests.processes.test_extras import PROJECT, STATED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def rows() -> dict[str, list[str]]:
    """The cells of each line of the table, by what is installed."""
    section = PAGE.split("## What for")[1].split("\n\nEvery line")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if "`" in line]
    return {line[1].strip(" `'"): [cell.strip() for cell in line] for line in lines}


def test_every_extra_has_a_line() -> None:
    named = {extra for text in rows() for extra in re.findall(r"\w+", text.partition("[")[2])}
    assert named == set(PROJECT["optional-dependencies"]) - {"dev"}
    assert {".", "make setup"} < set(rows())


@pytest.mark.parametrize("extra", [e for e in STATED if e])
def test_a_line_names_all_that_its_extra_brings(extra: str) -> None:
    """The shortest line that has the extra names what the core does not bring."""
    text = min((t for t in rows() if extra in re.findall(r"\w+", t.partition("[")[2])), key=len)
    brought = set(re.findall(r"[a-z0-9-]+", rows()[text][3].replace("on a Mac ", "")))
    assert brought == {normal(Requirement(r).name) for r in STATED[extra]}


def test_the_core_is_named_whole() -> None:
    brought = set(re.findall(r"[a-z0-9-]+", rows()["."][3]))
    assert brought == {normal(Requirement(r).name) for r in STATED[""]}


def planned(*arguments: str) -> str:
    """What make would run, where nothing is installed."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    command = ["make", "--dry-run", "VENV=/nowhere", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("target", "extra"), [("setup", "dev"), ("demo", "export"), ("demo-light", "run")]
)
def test_a_target_installs_what_it_needs_and_says_how_much_that_is(target: str, extra: str) -> None:
    lines = planned(target).splitlines()
    (install,) = [line for line in lines if "pip install" in line]
    assert install.endswith(f"-c constraints.txt -e '.[{extra}]'")
    assert "--quiet" not in install
    assert "--index-url" not in install
    (told,) = [line for line in lines if line.startswith("echo")]
    assert f"installs .[{extra}] into /nowhere" in told
    assert re.search(r"downloads [\d.]+ (?:GB|MB)\b", told)
    assert lines.index(told) < lines.index(install)


def test_one_variable_takes_a_cpu_build_of_torch() -> None:
    torch, rest = [line for line in planned("demo", "TORCH=cpu").splitlines() if "/pip " in line]
    assert torch.endswith("--index-url https://download.pytorch.org/whl/cpu torch torchvision")
    assert "--index-url" not in rest
    assert "make demo TORCH=cpu" in PAGE


def test_what_make_says_of_downloads_is_on_the_page() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    sizes = dict(re.findall(r"^size_(\w+) := (.*)$", makefile, re.MULTILINE))
    for extra, line in (("export", "[export]"), ("dev", "make setup"), ("run", "[run]")):
        cells = next(row for text, row in rows().items() if text.endswith(line))
        figures = re.findall(r"[\d.]+ [GM]B", sizes[extra])
        assert set(figures) - {"0.5 GB"} <= set(re.findall(r"[\d.]+ [GM]B", cells[4])), extra
