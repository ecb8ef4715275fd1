"""What the command lines of :mod:`tests.absent.commands` are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobileo_export.compression.plan import load
from tests.bench.devices import SWIFT_BENCH
from tests.exports import Exports


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter in a pickle: never opened here."""
    folder = tmp_path_factory.mktemp("adapter")
    config = '{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}'
    (folder / "adapter_config.json").write_text(config)
    (folder / "adapter_model.bin").write_bytes(b"\x80\x02}.")
    return folder


@pytest.fixture(scope="session")
def tiny_mac(tiny_checkpoint: Path, exported: Exports) -> Path:
    """The tiny checkpoint exported for MLX."""
    return exported(tiny_checkpoint, target="mlx", precision="float16", compression=load("none"))


@pytest.fixture
def places(
    tiny_checkpoint: Path,
    tiny_bundle: Path,
    tiny_jetson: Path,
    tiny_mac: Path,
    adapter: Path,
    tmp_path: Path,
) -> dict[str, Path]:
    """What the words in capitals stand for."""
    spec: dict[str, Any] = {"stacked_hidden_states": np.zeros((1, 4, 8, 128), np.float32)}
    np.savez(tmp_path / "in.npz", **spec)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "in.png")
    return {
        "CHECKPOINT": tiny_checkpoint,
        "BUNDLE": tiny_bundle,
        "BOARD": tiny_jetson,
        "MAC": tiny_mac,
        "PICKLE": adapter,
        "NEW": tmp_path / "new",
        "IN.npz": tmp_path / "in.npz",
        "IN.png": tmp_path / "in.png",
        "RESULT": SWIFT_BENCH,
        "PLAN.json": tmp_path / "plan.json",
        "OUT.html": tmp_path / "out.html",
        "OUT.npz": tmp_path / "out.npz",
        "OUT.png": tmp_path / "out.png",
    }
