"""Kernels against coremltools' own constant folding, operation by operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mobileo_export.runtimes.mil.ops import KERNELS, deliver

RNG = np.random.default_rng(0)


def floats(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return RNG.uniform(low, high, shape).astype(np.float32)


def ints(*shape: int, low: int = -5, high: int = 6) -> np.ndarray:
    return RNG.integers(low, high, shape, dtype=np.int32)


def positive(*shape: int) -> np.ndarray:
    return floats(*shape, low=0.1, high=3.0)


X = floats(2, 3, 4)


def beside(value: float) -> np.ndarray:
    """``value`` and its two neighbours in float32."""
    middle = np.float32(value)
    ends = [np.nextafter(middle, np.float32(end)) for end in (-np.inf, np.inf)]
    return np.array([ends[0], middle, ends[1]], np.float32)


CASES: list[tuple[str, dict[str, Any]]] = [
    *(
        (kind, {"x": X})
        for kind in (
            *("abs", "atan", "ceil", "cos", "cosh", "erf", "exp", "exp2", "floor", "round", "sign"),
            *("sin", "sinh", "square", "tan", "tanh", "relu", "relu6", "sigmoid", "softplus"),
            *("softsign", "shape", "identity", "squeeze"),
        )
    ),
    *((kind, {"x": floats(3, 4, low=-0.9, high=0.9)}) for kind in ("acos", "asin", "atanh")),
    *((kind, {"x": positive(3, 4)}) for kind in ("sqrt", "rsqrt", "log", "inverse")),
    ("rsqrt", {"x": positive(3), "epsilon": 0.5}),
    ("log", {"x": positive(3), "epsilon": 0.5}),
    ("inverse", {"x": positive(3), "epsilon": 0.5}),
    ("round", {"x": np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)}),
    ("clip", {"x": X, "alpha": -0.5, "beta": 1.25}),
    ("threshold", {"x": X, "alpha": 0.25}),
    ("logical_not", {"x": np.array([True, False])}),
    *(
        (kind, {"x": X, "y": floats(3, 1)})
        for kind in (
            *("add", "sub", "mul", "real_div", "floor_div", "mod", "maximum", "minimum", "equal"),
            *("not_equal", "greater", "greater_equal", "less", "less_equal"),
        )
    ),
    *(
        (kind, {"x": ints(4, 3), "y": np.array([[2], [-3], [5], [-2]], np.int32)})
        for kind in ("add", "sub", "mul", "floor_div", "mod", "real_div", "maximum", "less")
    ),
    ("pow", {"x": positive(2, 3), "y": floats(3)}),
    ("pow", {"x": ints(5), "y": np.int32(2)}),
    *(
        (kind, {"x": np.array([True, True, False, False]), "y": np.array([True, False] * 2)})
        for kind in ("logical_and", "logical_or", "logical_xor")
    ),
    ("elu", {"x": X, "alpha": 0.7}),
    ("leaky_relu", {"x": X, "alpha": 0.1}),
    ("clamped_relu", {"x": X, "alpha": 0.3, "beta": 1.0}),
    ("linear_activation", {"x": X, "alpha": 0.3, "beta": 1.0}),
    ("scaled_tanh", {"x": X, "alpha": 0.3, "beta": 1.5}),
    ("sigmoid_hard", {"x": X, "alpha": 0.3, "beta": 0.4}),
    ("thresholded_relu", {"x": X, "alpha": 0.5}),
    *(
        ("thresholded_relu", {"x": beside(alpha), "alpha": alpha})  # the bound itself is kept
        for alpha in (-2e5, -3.0, 0.0, 0.5)
    ),
    ("prelu", {"x": floats(1, 3, 4, 4), "alpha": np.array([0.1, 0.5, 2.0], np.float32)}),
    (
        "softplus_parametric",
        {
            "x": floats(1, 3, 4, 4),
            "alpha": np.array([0.1, 0.5, 2.0], np.float32),
            "beta": np.array([1.0, 0.5, 2.0], np.float32),
        },
    ),
    *((("gelu", {"x": X, "mode": mode})) for mode in ("EXACT", "TANH_APPROXIMATION")),
    ("gelu", {"x": X, "mode": "SIGMOID_APPROXIMATION"}),
    ("softmax", {"x": X, "axis": 1}),
    *(
        (f"reduce_{kind}", {"x": positive(2, 3, 4), **keywords})
        for kind in (
            *("l1_norm", "l2_norm", "log_sum", "log_sum_exp", "max", "mean", "min", "prod", "sum"),
            "sum_square",
        )
        for keywords in (
            {"axes": np.array([1, -1]), "keep_dims": True},
            {"axes": np.array([0]), "keep_dims": False},
        )
    ),
    *(
        (kind, {"x": X, "axis": axis, "keep_dims": keep})
        for kind in ("reduce_argmax", "reduce_argmin")
        for axis, keep in ((1, False), (-1, True))
    ),
    ("linear", {"x": floats(2, 5, 3), "weight": floats(4, 3), "bias": floats(4)}),
    ("matmul", {"x": floats(2, 5, 3), "y": floats(3, 4)}),
    (
        "matmul",
        {"x": floats(2, 3, 5), "y": floats(4, 3), "transpose_x": True, "transpose_y": True},
    ),
    ("matmul", {"x": floats(3), "y": floats(2, 3, 4)}),
    ("layer_norm", {"x": X, "axes": np.array([-1]), "gamma": floats(4), "beta": floats(4)}),
    ("layer_norm", {"x": X, "axes": np.array([1]), "gamma": floats(3), "epsilon": 1e-3}),
    ("layer_norm", {"x": X, "axes": np.array([1, 2])}),
    ("l2_norm", {"x": floats(2, 2, 3, 4)}),
    ("reshape", {"x": X, "shape": np.array([0, -1, 2])}),
    ("reshape", {"x": X, "shape": np.array([6, 4])}),
    ("transpose", {"x": X, "perm": np.array([2, 0, -2])}),
    ("expand_dims", {"x": X, "axes": np.array([0, -1, 2])}),
    ("squeeze", {"x": floats(1, 3, 1), "axes": np.array([0])}),
    ("slice_by_index", {"x": X, "begin": np.array([0, 1, 0]), "end": np.array([2, 3, 4])}),
    (
        "slice_by_index",
        {
            "x": X,
            "begin": np.array([1, -1, -1]),
            "end": np.array([0, 0, 0]),
            "stride": np.array([1, -1, -2]),
            "end_mask": np.array([True, True, True]),
            "squeeze_mask": np.array([True, False, False]),
        },
    ),
    ("slice_by_size", {"x": X, "begin": np.array([0, 1, -3]), "size": np.array([1, 2, -1])}),
    ("tile", {"x": X, "reps": np.array([2, 1, 3])}),
    ("reverse", {"x": X, "axes": np.array([0, -1])}),
    ("pad", {"x": X, "pad": np.array([1, 2, 0, 3]), "constant_val": 0.5}),
    ("pad", {"x": X, "pad": np.array([1, 2, 0, 3]), "mode": "reflect"}),
    ("pad", {"x": X, "pad": np.array([1, 2, 0, 3]), "mode": "replicate"}),
    ("cumsum", {"x": X, "axis": 1}),
    ("cumsum", {"x": X, "axis": -1, "reverse": True}),
    ("band_part", {"x": floats(4, 5), "lower": 1, "upper": 2}),
    ("fill", {"shape": np.array([2, 3]), "value": 0.25}),
    ("range_1d", {"end": 7, "start": 1, "step": 2}),
    ("range_1d", {"end": 0.0, "start": 1.0, "step": -0.25}),
    ("non_zero", {"x": np.array([[0, 1], [2, 0]], np.int32)}),
    ("argsort", {"x": X, "axis": 1}),
    ("argsort", {"x": X, "axis": -1, "ascending": True}),
    ("topk", {"x": X, "k": 2, "axis": 1}),
    ("topk", {"x": X, "k": 3, "axis": -1, "ascending": True}),
    ("select", {"cond": X > 0, "a": X, "b": floats(2, 3, 4)}),
    ("gather", {"x": X, "indices": np.array([[1, -1], [0, 2]], np.int32), "axis": 1}),
    ("gather", {"x": X, "indices": np.array([[1], [3]], np.int32), "axis": 2, "batch_dims": 1}),
    ("gather_along_axis", {"x": X, "indices": ints(2, 3, 5, low=-4, high=4), "axis": -1}),
    ("flatten2d", {"x": X, "axis": 2}),
    ("flatten2d", {"x": X, "axis": -1}),
]


def folded(kind: str, arguments: dict[str, Any]) -> list[np.ndarray]:
    """What coremltools makes of the operation when all its operands are constant."""
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813 - as everywhere
    from coremltools.converters.mil.mil import Function

    with Function({}, opset_version=ct.target.iOS18):
        result = getattr(mb, kind)(**arguments)
    results = result if isinstance(result, (tuple, list)) else [result]
    values = [item.val for item in results]
    if any(value is None for value in values):
        pytest.skip(f"coremltools does not fold {kind}")
    return [np.asarray(value) for value in values]


def run(kind: str, arguments: dict[str, Any]) -> list[np.ndarray]:
    kernel = KERNELS[kind]
    delivered = {
        name: value
        if isinstance(value, str)
        else deliver(kernel.parameters[name].kind, torch.as_tensor(value))
        if kernel.parameters[name].scalar
        else torch.as_tensor(value)
        for name, value in arguments.items()
    }
    results = kernel.function(**delivered)
    results = results if isinstance(results, tuple) else (results,)
    return [result.numpy() for result in results]


@pytest.mark.parametrize(
    ("kind", "arguments"), CASES, ids=[f"{i}-{kind}" for i, (kind, _) in enumerate(CASES)]
)
def test_kernel_equals_constant_folding(kind: str, arguments: dict[str, Any]) -> None:
    expected = folded(kind, arguments)
    actual = run(kind, arguments)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=2e-6, atol=1e-6)
