"""One server of the tiny bundle for the tests that leave it running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import Running


@pytest.fixture(scope="package")
def server(tiny_bundle: Path) -> Iterator[Running]:
    running = Running(tiny_bundle)
    yield running
    running.close()
