"""What the extras bring, as pyproject.toml, the messages, the doctor and the tested set have it."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from mobileo_export.doctor import packages
from mobileo_export.errors import MissingDependencyError
from mobileo_export.processes import extras

if sys.version_info < (3, 11):
    pytest.skip("tomllib is of 3.11", allow_module_level=True)
import tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STATED = {
    "": PROJECT["dependencies"],
    **{name: PROJECT["optional-dependencies"][name] for name in extras.MODULES if name},
}


def requirements() -> list[Requirement]:
    """Of the core and of every extra, for this machine."""
    every = [*STATED.values(), PROJECT["optional-dependencies"]["dev"]]
    parsed = [Requirement(text) for texts in every for text in texts]
    return [r for r in parsed if r.marker is None or r.marker.evaluate()]


def test_the_table_is_that_of_the_project() -> None:
    for extra, texts in STATED.items():
        found = [Requirement(text) for text in texts]
        # On another system an extra may bring less; what it brings on none is no part of it.
        here = [r for r in found if r.marker is None or "platform" not in str(r.marker)
                or r.marker.evaluate()]  # fmt: skip
        stated = {packages.normal(r.name) for r in here}
        assert {extras._distribution(module) for module in extras.MODULES[extra]} == stated


def test_the_tested_set_lies_in_the_ranges() -> None:
    tested = packages.tested_versions()
    for requirement in requirements():
        name = packages.normal(requirement.name)
        if name not in {"mobileo-export", "setuptools"}:
            assert requirement.specifier.contains(tested[name]), requirement


def test_every_range_has_a_lower_end_which_a_job_installs() -> None:
    for requirement in requirements():
        operators = {bound.operator for bound in requirement.specifier}
        assert ">=" in operators or requirement.name == "mobileo-export", requirement


@pytest.mark.parametrize(
    ("name", "works", "fails"),
    [("numpy", "2.3.5", "2.4.0"), ("torch", "2.14.1", "2.15.0"), ("transformers", "5.3.0", "6.0")],
)
def test_what_the_doctor_says_of_a_range_is_that_range(name: str, works: str, fails: str) -> None:
    (found,) = (r for r in requirements() if packages.normal(r.name) == name)
    assert found.specifier.contains(works)
    assert not found.specifier.contains(fails)
    named = re.findall(r"\b(\d+(?:\.\d+)?)\b", packages._TRAPS[name])[-1]
    assert any(f"{version}.".startswith(f"{named}.") for version in (works, fails))


def test_no_message_words_an_installation_by_itself() -> None:
    found = []
    for folder in ("mobileo_export", "converters", "jetson", "parity_tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if re.search(r"mobileo-export\[|pip install '?[.m]|pip install \{what", text):
                found.append(path.name)
    assert found == ["extras.py"]


@pytest.mark.parametrize("path", ["README.md", "jetson/README.md", "docs"])
def test_no_page_names_a_release_that_there_is_not(path: str) -> None:
    pages = (ROOT / path).glob("*.md") if path == "docs" else [ROOT / path]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"pip install '?mobileo|\| `'?mobileo-export(\[|`)", text), page


def test_an_older_python_is_told_that_the_extra_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    assert extras.install("export") == "pip install '.[export]' in a clone of mobileo-export"
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    told = extras.install("export", "onnx")
    assert told.startswith("python3.12 -m venv .venv && .venv/bin/pip install '.[export,onnx]'")
    assert "this is Python 3.10" in told
    assert extras.install("mlx") == "pip install '.[mlx]' in a clone of mobileo-export"


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (None, "pip install '.[run]' in a clone of mobileo-export"),
        ('{"dir_info": {"editable": true}, "url": "file:///c"}', "pip install '.[run]' in a clone"),
        ('{"archive_info": {}, "url": "file:///a%20b/m.whl"}', "[run] @ file:///a%20b/m.whl'"),
        ('{"archive_info": {}}', "pip install '.[run]' in a clone"),
        ("no JSON", "pip install '.[run]' in a clone"),
        ("[]", "pip install '.[run]' in a clone"),
    ],
)
def test_a_wheel_is_installed_again_and_anything_else_from_a_clone(
    monkeypatch: pytest.MonkeyPatch, record: str | None, told: str
) -> None:
    found = SimpleNamespace(read_text=lambda name: record)
    monkeypatch.setattr(metadata, "distribution", lambda name: found)
    extras._wheel.cache_clear()
    try:
        assert told in extras.install("run")
        assert ("clone" in extras.install()) is ("clone" in told)
    finally:
        extras._wheel.cache_clear()


def test_the_fewest_extras_are_named() -> None:
    assert extras.bringing(["onnxruntime"]) == ("run",)
    assert extras.bringing(["onnxruntime", "onnx"]) == ("onnx",)
    assert extras.bringing(["numpy", "onnx", "torch", "nobodys"]) == ("onnx", "export")
    assert extras.lacks(["onnxruntime"]).endswith(extras.install("run"))
    assert extras.brings("numpy") == extras.CORE
    assert extras.brings("nobodys") is None


def test_only_what_is_not_installed_is_missing() -> None:
    for name in ("torch.absent", "mobileo_export.absent", "scipy", None):
        assert extras.missing(ModuleNotFoundError("not there", name=name)) is None
    assert extras.missing(ImportError("a library is broken", name="torch")) is None


def test_what_is_needed_is_named_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    extras.need("drawing", extras.REFERENCE)
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"drawing needs onnx-ir, mlx: .*\[onnx,mlx\]"):
        extras.need("drawing", ["onnx_ir", "mlx"])
    error = ModuleNotFoundError("No module named 'PIL'", name="PIL.Image")
    assert "pillow is not installed; it comes with mobileo-export itself" in str(
        extras.missing(error)
    )
