"""Results in the type that a package declares."""

from __future__ import annotations

import pytest
import torch

from mobileo_export.artifacts.mlpackage.dtypes import BY_NAME
from mobileo_export.artifacts.mlpackage.program import TensorType
from mobileo_export.runtimes.mil.values import Declared


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("uint16", [-1, 65536, 7], [65535, 0, 7]),
        ("uint32", [-1, 1 << 32, 7], [(1 << 32) - 1, 0, 7]),
        ("int32", [-1, 65536, 7], [-1, 65536, 7]),
    ],
)
@pytest.mark.parametrize("shape", [(3,), (None,), None])
def test_narrow_integers_wrap_around(
    name: str, given: list[int], expected: list[int], shape: tuple[int | None, ...] | None
) -> None:
    declared = Declared(TensorType(BY_NAME[name], shape))
    assert declared.conform(torch.tensor(given)).tolist() == expected


def test_only_halves_are_rounded_to_half() -> None:
    names = ("fp16", "fp32", "int32", "bool")
    found = {name: Declared(TensorType(BY_NAME[name], ())).half for name in names}
    assert found == {"fp16": True, "fp32": False, "int32": False, "bool": False}


def test_what_was_not_written_is_zeros_of_a_static_type() -> None:
    static = Declared(TensorType(BY_NAME["fp32"], (2, 3)))
    assert torch.equal(static.conform(None), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="run-time sizes"):
        Declared(TensorType(BY_NAME["fp32"], (2, None))).conform(None)
