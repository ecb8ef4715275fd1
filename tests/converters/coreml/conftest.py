"""Packages of the tiny checkpoint, converted once a session in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from mobileo_export import targets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, Precision
from mobileo_export.converters.coreml.convert import CoreMLResult, convert

PACKAGES = ("vision_encoder", "mcp", "dit", "vae_decoder")


@dataclass(frozen=True)
class Converted:
    """All four packages of one checkpoint at one precision."""

    checkpoint: Checkpoint
    results: dict[str, CoreMLResult]


def convert_all(
    checkpoint: Checkpoint, folder: Path, precision: Precision = "float32"
) -> Converted:
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in PACKAGES:
        spec = COMPONENTS[name]
        results[name] = convert(
            checkpoint, spec, folder / targets.form(spec, "ios").path, precision=precision
        )
    return Converted(checkpoint, results)


@pytest.fixture(scope="session")
def converted(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return convert_all(Checkpoint.open(tiny_checkpoint), tmp_path_factory.mktemp("float32"))


@pytest.fixture(scope="session")
def converted_half(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    folder = tmp_path_factory.mktemp("float16")
    return convert_all(Checkpoint.open(tiny_checkpoint), folder, "float16")
