"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from mobileo_export.random_checkpoint import write as random_checkpoint

from .command import Command
from .exports import Exports

# Nothing here may reach the network; a library that tries fails at once instead of waiting.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Timing varies on shared machines; continuous integration tries the same examples every time.
settings.register_profile("mobileo", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("mobileo")

# What makes a test slow: a bundle that has to be exported first, programs that are run whole.
EXPORTED = {"tiny_bundle", "tiny_jetson"}
WHOLE = (
    "conformance", "faults", "fuzz", "miniature", "converters/coreml", "converters/onnx", "parity",
    "export", "absent", "processes/test_child_process", "random_checkpoint", "merging/test_merge",
    "cli/test_demo", "checkpoint/fields/test_mutations", "bench", "test_ablations",
    "test_miniature", "test_readme", "test_wheel", "test_swift_package", "bundle/test_seal_corpus",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast", action="store_true", help="leave out what takes long (make test-fast)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of what is left out the number is shown, as deselected."""
    if not config.getoption("--fast"):
        return
    here = Path(__file__).parent
    slow = [
        item
        for item in items
        if EXPORTED & set(getattr(item, "fixturenames", ()))
        or item.path.relative_to(here).as_posix().startswith(WHOLE)
    ]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in set(slow)]


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint. Shared by the whole session: copy it before changing it."""
    return random_checkpoint.write(tmp_path_factory.mktemp("checkpoint") / "tiny", "tiny")


@pytest.fixture
def tiny_copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint in a folder of the test's own, to be damaged."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "tiny")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """Bundles by checkpoint and options. Shared by the session: copy one before changing it."""
    return Exports(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="session")
def tiny_bundle(tiny_checkpoint: Path, exported: Exports) -> Path:
    """The tiny checkpoint exported whole. Shared by the session: copy it before changing it."""
    return exported(tiny_checkpoint)


@pytest.fixture(scope="session")
def tiny_jetson(tiny_checkpoint: Path, exported: Exports) -> Path:
    """The tiny checkpoint exported for jetson. Shared by the session: copy before changing it."""
    return exported(tiny_checkpoint, target="jetson")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line, called in this process."""
    return Command(monkeypatch, capsys)
