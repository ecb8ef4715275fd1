"""A miniature that was trained for four steps a stage: everything but what it knows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from miniature import sizes, steps

TRAINED = ("tokenizer", "vae", "latents", "vlm", "features", "answers", "align", "tune")


def workshop(folder: Path, stop_at: int | None = None) -> steps.Workshop:
    """A workshop of this process in ``folder``."""
    return steps.Workshop(folder, sizes.SMOKE, stop_at=stop_at, say=lambda text: None)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training. Shared: copy it before changing it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("miniature")
    shop = workshop(folder)
    for name in TRAINED:
        steps.STEPS[name](shop)
    shop.assemble("tune")
    steps.STEPS["joint"](shop)
    shop.merge()
    torch.set_num_threads(threads)
    return folder
