"""What a kernel may raise: a graph's faults are the graph's, everything else is a bug of ours."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export.artifacts.mlpackage.limits import enforcing, guard
from mobileo_export.errors import BundleError, InternalError
from mobileo_export.runtimes.mil import Limits, MilRuntime
from mobileo_export.runtimes.mil.ops import KERNELS, REFUSALS, deliver, registry
from mobileo_export.runtimes.mil.ops.registry import kernel
from mobileo_export.runtimes.mil.values import Cell, TensorList

from .export import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

X = np.ones((2, 3), np.float32)
_INTS = (0, 1, 1, 2, 2, 3, -1, -1, -2, 4, 5, 7, -7, 2**31 - 1, -(2**31))
_DTYPES = (torch.float32,) * 4 + (torch.int32, torch.bool, torch.int64, torch.int8, torch.uint8)
_STRINGS = (
    "valid", "same", "same_lower", "custom", "constant", "reflect", "replicate", "EXACT", "fp32",
    "TANH_APPROXIMATION", "int32", "int8", "uint8", "bool", "bilinear", "nearest", "add", "sub",
    "mul", "div", "min", "max", "update", "ALIGN_CORNERS", "STRICT_ALIGN_CORNERS", "DEFAULT",
    "LINEAR", "NEAREST_NEIGHBOR", "zeros", "border", "unnormalized", "nx,xm->nm", "->", "relu",
    "CORNERS_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST", "normalized_minus_one_to_one", "", "any",
)  # fmt: skip


class Draw:
    """Arguments as they are delivered, of values as they please."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._torch = torch.Generator().manual_seed(seed)

    def tensor(self) -> torch.Tensor:
        sizes = [self._random.choice([0, 1, 1, 2, 2, 3, 4]) for _ in range(self._below(6))]
        values = torch.randn(sizes, generator=self._torch) * 3
        return values.to(self._random.choice(_DTYPES))

    def _below(self, count: int) -> int:
        return self._random.randrange(count)

    def _integer(self) -> int:
        return self._random.choice(_INTS)

    def _boolean(self) -> bool:
        return self._random.random() < 0.5

    def argument(self, kind: str) -> Any:
        choice = self._random.choice
        ways: dict[str, Callable[[], Any]] = {
            "Tensor": self.tensor,
            "Tensors": lambda: tuple(self.tensor() for _ in range(1 + self._below(3))),
            "Values": lambda: (self.tensor(), TensorList((None,))),
            "Anything": lambda: choice(
                [self.tensor(), TensorList((None, self.tensor())), Cell(self.tensor())]
            ),
            "Ints": lambda: [self._integer() for _ in range(self._below(9))],
            "Bools": lambda: [self._boolean() for _ in range(self._below(6))],
            "int": self._integer,
            "Axis": lambda: choice([0, 1, -1, 2, 3, -2, -5, 5, 64, -64]),
            "float": lambda: choice([0.0, 1.0, -1.0, 1e-5, 3.7, float("inf"), float("nan")]),
            "Number": lambda: choice([0, 1, -1, 2.5, True, 2**31, float("inf"), float("nan")]),
            "bool": self._boolean,
            "str": lambda: choice(_STRINGS),
            "Unused": lambda: None,
        }
        return ways[kind]()


@pytest.mark.parametrize("name", sorted(name for name, k in KERNELS.items() if not k.blocks))
def test_whatever_values_come_a_kernel_computes_or_refuses(name: str) -> None:
    draw, found = Draw(len(name)), KERNELS[name]
    with torch.inference_mode(), enforcing(Limits(value_bytes=1 << 20)):
        for attempt in range(20):
            given = {
                keyword + "_" * (keyword == "input"): draw.argument(parameter.kind)
                for keyword, parameter in found.parameters.items()
                if parameter.required or attempt % 3
            }
            try:
                found.function(**given)
            except REFUSALS:
                continue


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from coremltools.converters.mil import Builder as mb  # noqa: N813 - as everywhere

    path = tmp_path_factory.mktemp("relu") / "model.mlpackage"
    return build(lambda x: mb.relu(x=x, name="out"), {"x": X}, path)


def broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def function(**arguments: Any) -> Any:
        raise error

    monkeypatch.setitem(KERNELS, "relu", replace(KERNELS["relu"], function=function))


@pytest.mark.parametrize(
    "error", [AttributeError("no such thing"), TypeError("none"), KeyError("k"), AssertionError()]
)
def test_a_bug_in_a_kernel_is_not_the_packages_fault(
    package: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    broken(monkeypatch, error)
    with pytest.raises(InternalError, match=rf"{type(error).__name__}.* op 'out' \(relu\)"):
        MilRuntime().load(package).run({"x": X})


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), IndexError("no"), RuntimeError("no"), ZeroDivisionError("no"),
     OverflowError("no"), MemoryError("no"), NotImplementedError("no")],
)  # fmt: skip
def test_what_a_graph_can_cause_is(
    package: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    broken(monkeypatch, error)
    with pytest.raises(BundleError, match=r"op 'out' \(relu\) cannot be executed: no"):
        MilRuntime().load(package).run({"x": X})


def test_what_a_hook_raises_comes_as_it_is(package: Path) -> None:
    def hook(*of: object) -> None:
        raise ValueError("the caller's own")

    with pytest.raises(ValueError, match="the caller's own"):
        MilRuntime().load(package).run({"x": X}, on_op=hook)


def test_a_result_that_is_no_tensor(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = replace(KERNELS["relu"], function=lambda **arguments: TensorList(()))
    monkeypatch.setitem(KERNELS, "relu", listed)
    with pytest.raises(BundleError, match="the result is no tensor"):
        MilRuntime().load(package).run({"x": X})


def test_annotations_are_checked_as_kernels_are_registered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "KERNELS", {})

    def strange(x: complex) -> None: ...
    def bare(x) -> None: ...  # type: ignore[no-untyped-def]
    def many(*x: Tensor) -> None: ...  # type: ignore[name-defined]  # noqa: F821
    def lacking(x: Tensor = None) -> None: ...  # type: ignore[name-defined]  # noqa: F821
    def fine(x: Tensor, y: Ints | None = None) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for wrong in (strange, bare, many, lacking):
        with pytest.raises(TypeError, match=f"{wrong.__name__}: cannot deliver"):
            kernel("new")(wrong)
    kernel("new")(fine)
    with pytest.raises(TypeError, match="registered twice"):
        kernel("new")(fine)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int", 2**40), ("Ints", 2**31), ("Axis", 65), ("Axis", -(2**31)), ("int", -(2**63))],
)
def test_numbers_that_are_no_size_index_or_axis(kind: str, value: int) -> None:
    with pytest.raises(ValueError, match="is no size, index or axis"):
        deliver(kind, torch.tensor(value))


def test_an_empty_axis_makes_no_other_one_harmless() -> None:
    with pytest.raises(ValueError, match="would take"):
        guard([0, 2**31 - 1])
    guard([0, 12])
