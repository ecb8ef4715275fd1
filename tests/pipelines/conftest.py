"""The tiny model, opened once for all tests of the pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.pipelines.model import Model, open_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def reference(tiny_checkpoint: Path) -> Iterator[Model]:
    """The tiny checkpoint on torch."""
    with open_model(str(tiny_checkpoint), keep=True) as model:
        yield model


@pytest.fixture(scope="session")
def artifacts(tiny_bundle: Path) -> Iterator[Model]:
    """The tiny bundle: packages on the evaluator, the language model dequantized."""
    with open_model(str(tiny_bundle), "mlx-dequantized", keep=True) as model:
        yield model
