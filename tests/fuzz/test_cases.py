"""A few hundred cases of every target in this process; thousands are ``python -m tests.fuzz``."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest

from . import files
from .cases import Case, perform
from .targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

CASES = 20  # of each target


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "golden"])
def test_hostile_input_is_read_or_refused(target: str, inputs: Path, tmp_path: Path) -> None:
    results = [perform(Case(target, 20, number), inputs, tmp_path) for number in range(CASES)]
    bugs = [f"{r.damage}: {r.verdict.detail}\n{r.verdict.trace}" for r in results
            if r.verdict.outcome == "bug"]  # fmt: skip
    assert not bugs, bugs[0]
    assert any(r.verdict.outcome == "refused" for r in results)


def test_a_case_is_the_same_every_time(inputs: Path, tmp_path: Path) -> None:
    first, second = (perform(Case("checkpoint", 3, 8), inputs, tmp_path) for _ in range(2))
    assert first.damage == second.damage
    assert first.verdict.outcome == second.verdict.outcome
    assert first.verdict.detail == second.verdict.detail


@pytest.mark.parametrize("header", [b'{"a": "x", "b": 1}', b"[]", b"7", b"{", b""])
def test_a_damaged_header_is_damaged_again(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for seed in range(60):
        path.write_bytes(struct.pack("<Q", len(header)) + header if header else b"")
        assert files.header_of(random.Random(seed), path, tmp_path)
