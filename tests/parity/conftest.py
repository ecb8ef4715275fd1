"""A bundle of the tiny checkpoint: two packages and the language model's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.bundle import manifest, seal
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.compression.exact import halved
from tests.exports import Exports


@pytest.fixture(scope="session")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture(scope="session")
def sealed(tiny_checkpoint: Path, exported: Exports) -> Path:
    return exported(tiny_checkpoint, "mcp,dit,llm")


@pytest.fixture(scope="session")
def half(tiny_checkpoint: Path, exported: Exports) -> Path:
    """The packages in half precision."""
    return exported(tiny_checkpoint, "vision_encoder,mcp,dit,vae_decoder", precision="float16")


@pytest.fixture
def copied(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "bundle"))


def reseal(bundle: Path) -> None:
    """Make the manifest agree with the files, as whoever damaged them unknowingly would."""
    path = bundle / manifest.MANIFEST
    content = json.loads(path.read_text())
    card = [file for file in content["files"] if seal.is_stray(file["path"])]
    found = [*card, *(asdict(entry) for entry in seal.entries(bundle))]
    content["files"] = sorted(found, key=lambda file: str(file["path"]))
    path.write_text(json.dumps(content))


def damage_weight(
    bundle: Path,
    artifact: str,
    checkpoint: Checkpoint,
    tensor: str,
    change: Callable[[np.ndarray], None],
) -> None:
    """Change one weight where it lies in ``weight.bin``, and seal the bundle again."""
    values = np.ascontiguousarray(checkpoint.read(tensor, "released"), np.float32)
    file = bundle / artifact / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    content = file.read_bytes()
    stored: np.ndarray = values
    scale = np.float32(1)
    if values.tobytes() not in content:
        halves = halved(values)
        assert halves is not None
        stored, scale = halves
    assert content.count(stored.tobytes()) == 1
    start = content.index(stored.tobytes())
    damaged = values.copy()
    change(damaged)
    written = (damaged / scale).astype(stored.dtype)
    assert written.tobytes() != stored.tobytes()
    assert np.isfinite(written).all()
    file.write_bytes(content[:start] + written.tobytes() + content[start + stored.nbytes :])
    reseal(bundle)
