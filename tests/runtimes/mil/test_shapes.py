"""A package followed without computing: the shapes of a run, compressed weights and damage too."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mobileo_export.bench import graph_cost
from mobileo_export.errors import BundleError, MobileoError
from mobileo_export.runtimes.mil import MilRuntime
from mobileo_export.runtimes.mil.shapes import ShapedPackage
from mobileo_export.runtimes.shapes import ShapedOperation

from .export import build, convert
from .test_hostile import MODEL, X, edit, find, intact, package
from .test_weights import Layers, schemes

__all__ = ["intact", "package"]  # fixtures


def followed(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shape of every result by name."""
    found: dict[str, tuple[int, ...]] = {}

    def observe(op: ShapedOperation) -> None:
        found.update((value.name, tuple(value.tensor.shape)) for value in op.results)

    ShapedPackage(path).follow(shapes, observe)
    return found


@pytest.mark.parametrize(
    ("name", "length"), [("connector", 8), ("transformer", 8), ("transformer", 31)]
)
def test_shapes_are_those_of_a_run(name: str, length: int, tiny_bundle: Path) -> None:
    path = tiny_bundle / f"{name}.mlpackage"
    session = MilRuntime().load(path)
    inputs = {}
    for feature in session.signature.inputs:
        sizes = [low if low == high else length for low, high in feature.sizes]
        inputs[feature.name] = np.ones(sizes, feature.dtype)
    ran: dict[str, tuple[int, ...]] = {}
    session.run(inputs, on_op=lambda op, made: ran.update({n: a.shape for n, a in made.items()}))
    shapes = followed(path, {key: value.shape for key, value in inputs.items()})
    assert ran.items() <= shapes.items()
    assert len(ran) > 20


@pytest.mark.parametrize("scheme", ["int8", "uint8 with offset", "int4 in blocks", "sparse"])
def test_compressed_weights_cost_their_bytes_and_no_flop(scheme: str, tmp_path: Path) -> None:
    import coremltools as ct

    torch.manual_seed(0)
    source = convert(Layers(), {"x": torch.randn(1, 8, 6, 6)}, tmp_path / "source.mlpackage")
    compressed = schemes()[scheme](ct.models.MLModel(str(source), skip_model_load=True))
    compressed.save(str(tmp_path / "compressed.mlpackage"))
    (original,) = graph_cost.of_package(source)
    (smaller,) = graph_cost.of_package(tmp_path / "compressed.mlpackage")
    plain, found = original.total, smaller.total
    assert found.flops == plain.flops == 2 * (32 * 16 * 8 * 9 + 16 * 32 * 64)
    kinds = [[op.kind for op in call.operations] for call in (smaller, original)]
    assert kinds[0] == kinds[1]
    assert found.widened == plain.widened == plain.stored
    elements, biases = 32 * 8 * 9 + 32 * 64, 4 * (32 + 64)
    bits = {"int8": 8, "uint8 with offset": 8, "int4 in blocks": 4, "sparse": 0.4 * 32 + 1}[scheme]
    assert found.stored >= elements * bits / 8 + biases - 1
    if scheme != "int4 in blocks":  # of which a block of four has a scale
        assert found.stored <= 1.25 * (elements * bits / 8 + biases)


class Turned(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[1], x.shape[0]).relu()


def test_sizes_that_a_graph_computes_are_followed(tmp_path: Path) -> None:
    import coremltools as ct

    flexible = {"x": ct.Shape((ct.RangeDim(1, 8, 4), ct.RangeDim(1, 99, 64)))}
    path = convert(Turned(), {"x": torch.zeros(4, 64)}, tmp_path / "m.mlpackage", shapes=flexible)
    seen: list[ShapedOperation] = []
    outputs = ShapedPackage(path).follow({"x": (7, 64)}, seen.append)
    assert "shape" in [op.kind for op in seen]
    assert [tuple(value.tensor.shape) for value in outputs] == [(64, 7)]


def test_sizes_that_only_a_run_has_are_refused_in_a_line(tmp_path: Path) -> None:
    from coremltools.converters.mil import Builder as mb  # noqa: N813 - as everywhere

    def body(x: Any) -> Any:
        rows = mb.cast(x=mb.reduce_sum(x=x, axes=[0, 1], keep_dims=False), dtype="int32")
        sizes = mb.concat(values=[mb.expand_dims(x=rows, axes=[0]), [-1]], axis=0)
        return mb.reshape(x=x, shape=sizes, name="out")

    path = build(body, {"x": X}, tmp_path / "m.mlpackage")
    with pytest.raises(
        BundleError, match="takes 'shape' from values that only a run has"
    ) as caught:
        graph_cost.of_package(path)
    assert "\n" not in str(caught.value)


def test_what_a_graph_must_not_ask_for_is_not_counted(package: Path) -> None:
    def longer(model: Any, ops: list[Any]) -> None:
        reps = find(ops, "tile").inputs["reps"].arguments[0].name
        constant = next(op for op in ops if op.outputs[0].name == reps)
        values = constant.attributes["val"].immediateValue.tensor.ints
        values.values[:] = [1 << 30, 1 << 30]
        for dimension in find(ops, "tile").outputs[0].type.tensorType.dimensions:
            dimension.ClearField("constant")
            dimension.unknown.variadic = False

    edit(package, longer)
    with pytest.raises(BundleError, match="would take") as caught:
        graph_cost.of_package(package)
    assert "\n" not in str(caught.value)


def test_damage_gives_one_line(package: Path) -> None:
    content = (package / MODEL).read_bytes()
    chance = random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (package / MODEL).write_bytes(damaged)
        try:
            graph_cost.of_package(package)
        except MobileoError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017 - some damage is harmless
    assert refused > 10


def test_what_lives_at_once_and_what_is_moved(tmp_path: Path) -> None:
    """Three values of [2, 32] at the end; a view of one takes no memory and moves nothing."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813 - as everywhere

    weight = np.arange(64 * 32, dtype=np.float32).reshape(32, 64)

    def body(x: Any) -> Any:
        product = mb.linear(x=x, weight=weight, bias=np.ones(32, np.float32))
        flat = mb.reshape(x=product, shape=[64])
        return mb.add(x=mb.relu(x=flat), y=flat, name="out")

    path = build(body, {"x": X}, tmp_path / "m.mlpackage")
    wide, narrow = graph_cost.of_package(path, None, ("float32", "float16"))
    x, y, weights = 4 * 2 * 64, 4 * 2 * 32, 4 * (32 * 64 + 32)
    costs = {op.kind: (op.read, op.written, op.stored, op.flops) for op in wide.operations}
    assert costs == {
        "linear": (x, y, weights, 2 * 2 * 32 * 64),
        "reshape": (0, 0, 0, 0),
        "relu": (y, y, 0, 0),
        "add": (2 * y, y, 0, 0),
    }
    assert (wide.inputs, wide.outputs, wide.total.elementwise) == (x, y, 2 * 64)
    assert (wide.total.stored, wide.total.widened) == (weights, weights)
    assert wide.peak == 3 * y
    less = narrow.total
    assert (narrow.peak, less.stored, less.widened) == (3 * y / 2, weights, weights / 2)
