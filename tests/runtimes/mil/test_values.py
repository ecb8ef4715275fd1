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
    declared = Declared(TensorType(BY_NAME[name], shape), half=False)
    assert declared.conform(torch.tensor(given)).tolist() == expected


def test_only_floats_are_rounded_to_half() -> None:
    found = {
        name: [Declared(TensorType(BY_NAME[name], ()), half).half for half in (False, True)]
        for name in ("fp16", "fp32", "int32", "bool")
    }
    assert found == {
        "fp16": [True, True],
        "fp32": [False, True],
        "int32": [False, False],
        "bool": [False, False],
    }


def test_what_was_not_written_is_zeros_of_a_static_type() -> None:
    static = Declared(TensorType(BY_NAME["fp32"], (2, 3)), half=False)
    assert torch.equal(static.conform(None), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="run-time sizes"):
        Declared(TensorType(BY_NAME["fp32"], (2, None)), half=False).conform(None)
