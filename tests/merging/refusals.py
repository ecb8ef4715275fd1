"""A merge that is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export.errors import CheckpointError, MobileoError
from mobileo_export.merging.merge import MergeOptions, merge

from .adapters import PREFIX, Q

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint


A, B = (f"{PREFIX}{Q}.lora_{part}.weight" for part in "AB")


def check_refused(
    base: Checkpoint, adapter: Path, message: str, kind: type[MobileoError] = CheckpointError
) -> None:
    """A merge is refused with one line, and leaves nothing."""
    output = adapter.parent / "out"
    with pytest.raises(kind, match=message) as caught:
        merge(base, adapter, output, MergeOptions())
    assert "\n" not in str(caught.value)
    assert not output.exists()
    assert not output.with_name("out.partial").exists()
