from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobileo_export.components import Dim, TensorSpec
from mobileo_export.errors import UsageError
from mobileo_export.runtimes import signature

N = Dim("N", 8, 768, 77)
SPECS = (
    TensorSpec("latent", (1, 4, 2, 2), ""),
    TensorSpec("text", (1, N, 6), ""),
    TensorSpec("mask", (1, N), ""),
    TensorSpec("image", (1, 3), "", optional=True),
    TensorSpec("ids", (1, Dim("T", 1, 9, 4)), "", "int32"),
)


def good(**changes: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "latent": np.zeros((1, 4, 2, 2), np.float32),
        "text": np.zeros((1, 77, 6), np.float32),
        "mask": np.ones((1, 77), np.float32),
        "ids": np.zeros((1, 4), np.int32),
    }
    inputs.update(changes)
    return {name: value for name, value in inputs.items() if value is not None}


def floats(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    "inputs",
    [
        good(),
        good(image=floats(1, 3)),
        good(text=floats(1, 8, 6), mask=floats(1, 8)),
        good(text=floats(1, 768, 6), mask=floats(1, 768)),
        dict(reversed(good().items())),
    ],
)
def test_fitting_inputs_pass(inputs: dict[str, Any]) -> None:
    signature.check_inputs(SPECS, inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (good(mask=None), "mask: input is missing; this component takes latent, text, mask, image"),
        (good(Latent=floats(1)), r"Latent: unknown input; .* image \(optional\), ids$"),
        (good(latent=floats(4, 2, 2)), r"latent: has shape \[4, 2, 2\], expected \[1, 4, 2, 2\]"),
        (good(latent=floats(2, 4, 2, 2)), r"expected \[1, 4, 2, 2\]"),
        (good(latent=floats()), r"has shape \[\]"),
        (good(text=floats(1, 7, 6)), r"\[1, N, 6\] with N 8 to 768"),
        (good(text=floats(1, 769, 6), mask=floats(1, 769)), "N 8 to 768"),
        (good(text=floats(1, 78, 6)), "mask: N is 77, but text has N 78; they must be equal"),
        (good(ids=np.zeros((1, 0), np.int32)), "T 1 to 9"),
        (good(image=floats(1, 4)), r"image: has shape \[1, 4\]"),
        (good(latent=np.zeros((1, 4, 2, 2))), "latent: has dtype float64, expected float32"),
        (good(latent=np.zeros((1, 4, 2, 2), np.float16)), "dtype float16, expected float32"),
        (good(ids=np.zeros((1, 4), np.int64)), "ids: has dtype int64, expected int32"),
        (good(ids=floats(1, 4)), "ids: has dtype float32, expected int32"),
        (good(latent=np.zeros((1, 4, 2, 2), ">f4")), "has dtype >f4, expected float32"),
        (good(latent=np.full((1, 4, 2, 2), "x")), "expected float32"),
        (good(latent=[[1.0]]), "latent: is a list, expected a NumPy array"),
        (good(latent=floats(1, 4, 2, 2) + np.float32("nan")), "latent: holds NaN or infinity"),
        (good(text=floats(1, 77, 6) - np.float32("inf")), "text: holds NaN or infinity"),
    ],
)
def test_anything_else_is_one_line_that_names_the_input(
    inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        signature.check_inputs(SPECS, inputs)
    assert "\n" not in str(caught.value)


def test_importing_it_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, mobileo_export.runtimes.signature; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
