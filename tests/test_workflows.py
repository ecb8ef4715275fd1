"""The workflows run what there is: targets, commands, files, Pythons."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

if sys.version_info < (3, 11):
    pytest.skip("tomllib is of 3.11", allow_module_level=True)
import tomllib

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def load(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> list[tuple[str, dict[str, Any]]]:
    return [item for path in WORKFLOWS for item in load(path)["jobs"].items()]


def commands() -> list[str]:
    """Every line that a job runs."""
    runs = [step["run"] for _, job in jobs() for step in job["steps"] if "run" in step]
    return [line.strip() for run in runs for line in run.splitlines()]


def test_every_workflow_has_jobs_that_run_something() -> None:
    assert {path.name for path in WORKFLOWS} >= {"test.yml", "versions.yml"}
    for path in WORKFLOWS:
        content = load(path)
        assert content[True], path  # YAML reads the key `on` as a truth value
        for name, job in content["jobs"].items():
            assert job["runs-on"], name
            assert any("run" in step for step in job["steps"]), name


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    run = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert run >= {"check", "test", "demo", "test-lowest", "test-newest"}
    assert run <= targets, run - targets
    lines = [line for line in commands() if re.search(r"\bmake ", line)]
    given = {name for line in lines for name in re.findall(r"\b([A-Z_]+)=", line)}
    assert given
    assert all(re.search(rf"^{name} \?=", makefile, re.MULTILINE) for name in given), given


def test_what_is_put_into_the_environment_is_read() -> None:
    named = {name for line in commands() for name in re.findall(r"\b(MOBILEO_\w+)=", line)}
    assert named
    swift = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "ios_app").rglob("*.swift"))
    assert named <= set(re.findall(r'"(MOBILEO_\w+)"', swift)), named


def test_the_swift_package_is_tried_on_linux_and_on_a_mac() -> None:
    found = load(ROOT / ".github" / "workflows" / "test.yml")["jobs"]
    steps = {name: [step.get("run", "") for step in job["steps"]] for name, job in found.items()}
    assert found["swift"]["container"].startswith("swift:6.")
    assert "make test-swift" in steps["swift"]
    assert found["macos"]["runs-on"].startswith("macos-")
    assert steps["macos"].index("swift --version") < steps["macos"].index("make test")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    assert "$(MAKE) test-swift" in recipes["test"]
    for words in ("swift format lint --strict", "swift build", "swift test"):
        assert words in recipes["test-swift"]


def test_every_command_and_file_exists() -> None:
    from mobileo_export.cli import main

    known = {command.name for command in main.app.registered_commands}
    for line in commands():
        words = line.split()
        if words[0] == "mobileo-export" and not words[1].startswith("-"):
            assert words[1] in known, line
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    files = set(re.findall(r"[\w-]+\.txt", text))
    assert files >= {"constraints.txt", "constraints-jetson.txt"}
    assert all((ROOT / name).is_file() for name in files)


def test_every_python_that_is_promised_is_tried() -> None:
    prefix = "Programming Language :: Python :: 3."
    promised = {c.removeprefix(prefix[:-2]) for c in PROJECT["classifiers"] if prefix in c}
    tried = set()
    for _, job in jobs():
        for step in job["steps"]:
            version = step.get("with", {}).get("python-version")
            if version == "${{ matrix.python }}":
                tried |= set(job["strategy"]["matrix"]["python"])
            elif version is not None:
                tried.add(version)
    assert tried == promised
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert promised == {f"3.{minor}" for minor in range(8, 30) if f"3.{minor}.1" in allowed}


def test_the_lowest_versions_must_work_and_the_newest_are_news() -> None:
    content = load(ROOT / ".github" / "workflows" / "versions.yml")
    assert "schedule" in content[True]
    assert content["jobs"]["newest"]["continue-on-error"] is True
    assert "continue-on-error" not in content["jobs"]["lowest"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "lowest-direct" in makefile
