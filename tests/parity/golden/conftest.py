"""The tiny bundle with a golden trace, and ways to tamper with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.parity.golden.record import record

from ...conftest import Once
from ..conftest import reseal

Index = dict[str, Any]


@pytest.fixture(scope="session")
def recorded(tiny_bundle: Path, tiny_checkpoint: Path, once: Once) -> Path:
    """Recorded without the comparison. Shared: copy it before changing it."""

    def make(folder: Path) -> None:
        shutil.copytree(tiny_bundle, folder)
        record(folder, Checkpoint.open(tiny_checkpoint), figures=False)

    return once("recorded", make)


@pytest.fixture
def copied(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "bundle"))


@pytest.fixture
def index(recorded: Path) -> Index:
    content: Index = json.loads((recorded / "golden" / "index.json").read_text())
    return content


def change_index(bundle: Path, change: Callable[[Index], object]) -> None:
    path = bundle / "golden" / "index.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    reseal(bundle)


def change_array(
    bundle: Path, index: Index, entry: int, change: Callable[[np.ndarray], None]
) -> None:
    """Change the stored values of an entry, as a slip of the disk or of a person would."""
    found = index["entries"][entry]
    path = bundle / "golden" / found["file"]
    data = bytearray(path.read_bytes())
    place = slice(found["offset"], found["offset"] + found["size"])
    values = np.frombuffer(bytes(data[place]), found["dtype"]).copy()
    change(values)
    data[place] = values.tobytes()
    path.write_bytes(bytes(data))
    reseal(bundle)


def calls(index: Index, run: str, stage: str) -> list[dict[str, Any]]:
    """The calls of a stage in the run of that name."""
    (found,) = (r for r in index["runs"] if r["name"] == run)
    return [call for call in found["calls"] if call["stage"] == stage]
