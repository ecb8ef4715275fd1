"""Fixtures that every test folder shares."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from mobileo_export.compression.plan import NONE
from mobileo_export.processes import collecting
from mobileo_export.random_checkpoint import write as random_checkpoint

from .command import Command
from .exports import Exports, locked

Once = Callable[[str, "Callable[[Path], object]"], Path]

# Nothing here may reach the network; a library that tries fails at once instead of waiting.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Timing varies on shared machines; continuous integration tries the same examples every time.
settings.register_profile("mobileo", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("mobileo")

# Fixtures that export, record or train before the first test that asks for them.
MADE = {
    "tiny_bundle", "tiny_jetson", "tiny_core_ai", "sealed", "half", "recorded", "trained",
    "converted", "converted_half",
}  # fmt: skip
# What takes longest, by the beginning of its node id, in seconds of one core as measured (see
# CONTRIBUTING.md), longest first. `--fast` leaves it out; the processes of -n begin with it.
SLOW = {
    "parity/compressed": 61,
    "test_readme": 50,
    "bench/test_cost": 46,
    "absent": 43,
    "miniature": 31,
    "test_miniature": 25,
    "sensitivity": 22,
    "parity/test_mutations": 22,
    "cli/test_compress_plan": 20,
    "processes/test_broken_imports": 20,
    "bench/test_run": 19,
    "cli/test_terminals": 18,
    "export/test_interrupted": 16,
    "processes/test_child_process": 15,
    "export/test_fingerprint.py::test_a_conversion_imports": 15,
    "converters/coreml/test_storing": 15,
    "serve/test_lifetime": 14,
    "parity/test_core_ai": 13,
    "cli/test_streams": 12,
    "jetson/test_pipelines": 11,
    "faults": 9,
    "bench/test_reference": 9,
    "cli/test_demo": 9,
    "bench/test_bench_command": 9,
    "parity/test_verify_command": 8,
    "sharing": 8,
    "converters/coreml/test_numbers": 8,
    "parity/golden/test_findings": 8,
    "parity/golden/test_verify": 8,
    "converters/mlx/test_previews": 8,
    "export/test_run": 7,
    "checkpoint/test_hub": 7,
    "cli/test_target_coreai": 7,
    "converters/onnx/test_convert": 7,
    "export/test_plan.py::test_a_bundle_takes_no_more": 7,
    "inspection/test_package": 7,
    "parity/test_rows": 6,
    "bench/test_limits": 5,
    "fuzz/test_documents": 5,
    "test_ablations": 5,
    "fuzz/test_cases": 5,
    "random_checkpoint": 5,
    "checkpoint/fields/test_mutations": 5,
    "converters/coreml/test_tracing": 5,
    "runtimes/mil/test_modules": 5,
    "test_wheel": 5,
    "bench/test_bench_stopwatch": 5,
    "checkpoint/fields/test_libraries": 4,
    "cli/test_compression": 4,
    "cli/test_mlx_bundle": 4,
    "cli/test_verify.py::test_what_few_bits": 4,
    "parity/golden/test_compressed": 4,
    "test_new_kind": 4,
    "parity/golden/test_record": 3,
    "parity/test_witness.py::test_witnesses_agree_on_every_component": 3,
    "runtimes/mil/test_shapes": 3,
    "export/test_resume": 3,
    "fuzz/test_main": 3,
    "test_exports": 3,
    "cli/test_merge_lora.py::test_an_interrupted": 3,
    "converters/mlx/test_against_mlx_lm": 3,
    "export/test_workers": 3,
    "processes/test_waiting": 3,
    "parity/chain": 2,
    "merging/test_folder": 2,
    "runtimes/mil/test_runtime.py::test_running_does_not_import": 2,
    "cli/test_operations.py::test_everything_as_json": 1,
    "converters/coreai/test_storing.py::test_the_manifest_says": 1,
    "runtimes/mlx/test_compiled": 1,
    "export/test_worker_deaths": 1,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast", action="store_true", help="leave out what takes long (make test-fast)"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # of pytest-xdist, which goes by the number of tests
    gc.disable()  # while modules are imported, whose objects stay


def pytest_collection_finish(session: pytest.Session) -> None:
    """What libraries are made of is not looked through again, as coremltools asks for each time."""
    collecting.settle()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of what is left out the number is shown, as deselected."""
    if config.getoption("--fast"):
        slow = {
            item
            for item in items
            if MADE & set(getattr(item, "fixturenames", ())) or _seconds(item)
        }
        config.hook.pytest_deselected(items=list(slow))
        items[:] = [item for item in items if item not in slow]
    if hasattr(config, "workerinput"):  # the last files to be given out are short
        longest: dict[Path, int] = {}
        for item in items:
            longest[item.path] = max(longest.get(item.path, 0), _seconds(item))
        items.sort(key=lambda item: -longest[item.path])


@cache
def _starts(path: Path) -> list[tuple[str, int]]:
    """What SLOW says of a file: beginnings of the names of its tests, "" for all, and seconds."""
    place = f"{path.relative_to(Path(__file__).parent).as_posix()}::"
    return [
        (start[len(place) :], seconds)
        for start, seconds in SLOW.items()
        if place.startswith(start) or start.startswith(place)
    ]


def _seconds(item: pytest.Item) -> int:
    starts = _starts(item.path)
    return max((seconds for start, seconds in starts if item.name.startswith(start)), default=0)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint. Shared by the whole session: copy it before changing it."""
    return random_checkpoint.write(tmp_path_factory.mktemp("checkpoint") / "tiny", "tiny")


@pytest.fixture
def tiny_copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint in a folder of the test's own, to be damaged."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "tiny")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes a folder that all processes of this run share: copy it before changing it."""
    own = tmp_path_factory.getbasetemp()
    place = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def get(name: str, make: Callable[[Path], object]) -> Path:
        folder, new = place / name, place / f"{name}.new"
        with locked(place / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(new, ignore_errors=True)  # of one that failed
                make(new)
                new.rename(folder)
        return folder

    return get


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


@pytest.fixture(scope="session")
def tiny_core_ai(tiny_checkpoint: Path, exported: Exports) -> Path:
    """The tiny checkpoint exported for coreai. Shared by the session: copy before changing it."""
    pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")
    return exported(tiny_checkpoint, target="coreai", compression=NONE)


@pytest.fixture
def heeded() -> Iterator[None]:
    """Ctrl-C is heard: what runs in the background of a shell is handed on an ignored signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line, called in this process."""
    return Command(monkeypatch, capsys)
