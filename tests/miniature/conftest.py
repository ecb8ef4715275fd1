"""A miniature that was trained for four steps a stage: everything but what it knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from miniature import sizes, steps
from miniature.workshop import Workshop

from ..conftest import Once

TRAINED = (
    *("tokenizer", "vae", "latents", "vlm", "features", "edit-features"),
    *("answers", "align", "tune"),
)


def workshop(folder: Path, stop_at: int | None = None) -> Workshop:
    """A workshop of this process in ``folder``."""
    return Workshop(folder, sizes.SMOKE, stop_at=stop_at, say=lambda text: None)


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """As training runs: sums that are split among more threads round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def trained(one_thread: None, once: Once) -> Path:
    """The folder of a finished training. Shared: copy it before changing it."""

    def train(folder: Path) -> None:
        folder.mkdir()
        shop = workshop(folder)
        for name in TRAINED:
            steps.STEPS[name](shop)
        shop.assemble("tune")
        steps.STEPS["joint"](shop)
        shop.merge()

    return once("miniature", train)
