"""Weights in half the bytes: the same outputs to the bit, and float32 where that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mobileo_export import assets
from mobileo_export.artifacts.mlpackage import expansion
from mobileo_export.artifacts.mlpackage.decode import decode
from mobileo_export.artifacts.mlpackage.limits import Limits
from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.artifacts.mlpackage.program import Constant, Op, TensorType
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, Precision
from mobileo_export.compression.plan import CompressionPlan, load, matrices, parse
from mobileo_export.converters.coreml.convert import CoreMLResult, convert
from mobileo_export.errors import BundleError
from mobileo_export.runtimes.mil import MilRuntime
from tests import surgery

PACKAGES = ("vision_encoder", "mcp", "dit", "vae_decoder")


@pytest.fixture(scope="module")
def miniature() -> Checkpoint:
    return Checkpoint.open(assets.miniature())


Made = Callable[..., CoreMLResult]


@pytest.fixture(scope="module")
def made(miniature: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A component of the miniature, converted once by each plan. Not to be changed."""

    @cache
    def get(name: str, plan: str, precision: Precision = "float32") -> CoreMLResult:
        return convert(
            miniature,
            COMPONENTS[name],
            tmp_path_factory.mktemp(plan) / "x.mlpackage",
            precision=precision,
            compression=mixed() if plan == "mixed" else load(plan),
        )

    return get


def mixed() -> CompressionPlan:
    return parse("mixed", {"schema_version": 1, "components": MIXED})


def size(package: Path) -> int:
    return sum(path.stat().st_size for path in package.rglob("*") if path.is_file())


def expanded(package: Path) -> dict[str, expansion.Expanded]:
    program = decode(open_package(package), Limits())
    found = expansion.constants(program.functions[program.default].block)
    return {name: c for name, c in found.items() if isinstance(c, expansion.Expanded)}


@pytest.mark.parametrize("name", PACKAGES)
def test_outputs_are_equal_to_the_bit(name: str, miniature: Checkpoint, made: Made) -> None:
    plain, halved = made(name, "none"), made(name, "exact")
    assert plain.stored is None
    assert halved.stored is not None
    assert size(halved.package) < 0.7 * size(plain.package)
    spec = COMPONENTS[name]
    sizes = (8, 40) if any("N" in str(t.shape) for t in spec.inputs(miniature.model)) else (8,)
    for length in sizes:
        inputs = spec.example_inputs(miniature.model, N=length)
        one, other = (MilRuntime().load(r.package).run(inputs) for r in (plain, halved))
        assert one.keys() == other.keys()
        for output in one:
            assert one[output].tobytes() == other[output].tobytes()


def test_only_what_is_computed_at_conversion_stays(made: Made) -> None:
    for name in PACKAGES:
        told = made(name, "exact").stored
        assert told is not None
        # A norm or a scale multiplied into a convolution is no bfloat16 any more.
        left = told.sizes.get("float32", (0, 0))[0]
        assert (left > 0) == (name == "vision_encoder")
        stated = told.stated()
        assert stated["float32_elements"] == left
        assert stated["average_bits"] == pytest.approx(16 + 16 * left / told.elements, abs=1e-3)


def test_a_float32_checkpoint_keeps_its_values(tiny_copy: Path, tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(tiny_copy)
    rng = np.random.default_rng(0)
    trained = {
        name: ("F32", rng.normal(0, 0.1, shape).astype(np.float32))
        for name, shape in COMPONENTS["mcp"].tensors(checkpoint.model).items()
    }
    surgery.change(tiny_copy, trained)
    halved = convert(
        Checkpoint.open(tiny_copy), COMPONENTS["mcp"], tmp_path / "x", compression=load("exact")
    )
    assert halved.stored is not None
    assert halved.stored.sizes.keys() == {"float32"}
    assert not expanded(halved.package)


def test_what_does_not_fit_together_is_refused(made: Made) -> None:
    halved = made("mcp", "exact")
    name, constant = next(iter(expanded(halved.package).items()))
    program = decode(open_package(halved.package), Limits())
    op = next(
        op
        for op in program.functions[program.default].block.ops
        if isinstance(op, Op) and op.outputs and op.outputs[0].name == name
    )
    data, scale = constant.parts["data"], constant.parts["scale"]
    rows = tuple(7 * size for size in data.shape)
    for shape in (rows, (1,), (0,) * len(rows)):
        wrong = Constant(TensorType(scale.type.dtype, shape), scale.stored)
        with pytest.raises(BundleError, match="make no"):
            expansion.Expanded(op, {"data": data, "scale": wrong})


MIXED = {
    "vision_encoder": {"*.lkb_reparam": "half", "*": "palette8 rows 16"},
    "mcp": {"*.pointwise": "int4 block 32 zero-point", "*": "int8"},
    "dit": {"*.conv_depth": "palette6 rows 16", "*.to_*": "int4 block 32", "*": "int8 zero-point"},
    "vae_decoder": {"conv_*": "exact", "*.conv": "palette4", "*": "palette3 rows 8"},
}


@pytest.mark.parametrize(
    ("name", "precision"), [*((name, "float32") for name in PACKAGES), ("dit", "float16")]
)
def test_every_matrix_of_a_plan_is_found(
    name: str, precision: Precision, miniature: Checkpoint, made: Made
) -> None:
    """Those that a norm or a scale was multiplied into among them."""
    spec, plan = COMPONENTS[name], mixed()
    result = made(name, "mixed", precision)
    assert result.stored is not None
    shapes = matrices(spec, miniature.model)
    found = result.stored.matrices
    assert found.keys() == shapes.keys()
    for matrix, entry in found.items():
        scheme = plan.scheme(name, matrix, shapes[matrix])
        if scheme.bits:
            assert entry.form == str(scheme)
            assert entry.bits == scheme.stored_bits(
                shapes[matrix], 16 if spec.precision(precision) == "float16" else 32
            )
            assert (0 if scheme.bits == 8 else 0.01) <= entry.error < 0.3
        else:
            assert entry.form == ("float16" if scheme.form == "half" else entry.form)
        assert (entry.misfit is not None) == (plan.asked(name, matrix) != scheme)
    inputs = spec.example_inputs(miniature.model, N=12)
    for output in MilRuntime().load(result.package).run(inputs).values():
        assert np.isfinite(output).all()


def test_bytes_are_the_same_twice(miniature: Checkpoint, made: Made, tmp_path: Path) -> None:
    for name in ("vision_encoder", "dit"):
        again = tmp_path / f"{name}.mlpackage"
        convert(miniature, COMPONENTS[name], again, compression=mixed())
        one, other = (
            [path.read_bytes() for path in sorted(package.rglob("*")) if path.is_file()]
            for package in (made(name, "mixed", "float32").package, again)
        )
        assert one == other
