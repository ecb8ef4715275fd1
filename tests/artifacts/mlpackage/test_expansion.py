"""What stored weights stand for: as the evaluator expands them, which has code of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mobileo_export.artifacts.mlpackage.blob import pack, unpack
from mobileo_export.artifacts.mlpackage.dtypes import BY_NAME
from mobileo_export.artifacts.mlpackage.expansion import (
    LOOK_UP,
    SHIFT_SCALE,
    Expanded,
    constants,
)
from mobileo_export.artifacts.mlpackage.program import Block, Constant, Named, Op, TensorType
from mobileo_export.compression.schemes import Scheme, compress
from mobileo_export.errors import BundleError
from mobileo_export.runtimes.mil.ops.constexpr import blockwise_shift_scale, lut_to_dense


def stored(name: str, values: np.ndarray) -> Constant:
    dtype = BY_NAME[name]
    flat = pack(values, dtype) if dtype.packed else values.reshape(-1).astype(dtype.storage)
    return Constant(TensorType(dtype, values.shape), flat)


Parts = dict[str, Constant]


def expanded(kind: str, shape: tuple[int, ...], parts: Parts, output: str = "fp32") -> Any:
    declared = Named("weight", TensorType(BY_NAME[output], shape))
    inputs = {name: (part,) for name, part in parts.items()}
    return constants(Block((), (Op(kind, "weight", inputs, (declared,)),), ("weight",)))["weight"]


def same(found: Constant, wanted: torch.Tensor) -> None:
    values = wanted.numpy()
    assert found.array().dtype == values.dtype
    assert found.array().tobytes() == values.tobytes()
    assert found.stored.tobytes() == values.tobytes()
    assert (found.shape, found.size) == (values.shape, values.size)


@pytest.mark.parametrize("blocks", [(1, 1), (6, 1), (1, 4), (3, 2), (6, 8)])
def test_every_block_has_its_scale(blocks: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(0, 1, (6, 8)).astype(np.float16)
    scale = np.exp2(rng.integers(-9, 9, blocks)).astype(np.float32)
    parts = {"data": stored("fp16", data), "scale": stored("fp32", scale)}
    found = expanded(SHIFT_SCALE, data.shape, parts)
    same(found, blockwise_shift_scale(torch.from_numpy(data), torch.from_numpy(scale)))


@pytest.mark.parametrize("blocks", [(1, 1, 1), (6, 1, 1), (3, 4, 1), (6, 8, 3)])
@pytest.mark.parametrize("name", ["int8", "int4", "uint8", "uint4"])
@pytest.mark.parametrize("offset", [False, True])
def test_integers(name: str, blocks: tuple[int, ...], offset: bool) -> None:
    """With an integer that means zero and without, at every width; narrow ones share bytes."""
    rng, dtype = np.random.default_rng(1), BY_NAME[name]
    low, high = (
        (-(1 << dtype.bits - 1), 1 << dtype.bits - 1)
        if dtype.signed
        else (
            0,
            1 << dtype.bits,
        )
    )
    data = rng.integers(low, high, (6, 8, 3)).astype(dtype.storage if dtype.bits == 8 else np.int8)
    scale = rng.normal(0, 0.01, blocks).astype(np.float32)
    points = rng.integers(low, high, blocks).astype(data.dtype)
    parts = {"data": stored(name, data), "scale": stored("fp32", scale)}
    parts |= {"offset": stored(name, points)} if offset else {}
    found = expanded(SHIFT_SCALE, data.shape, parts)
    assert np.array_equal(found.elements.array(), data)
    wanted = blockwise_shift_scale(
        torch.from_numpy(data),
        torch.from_numpy(scale),
        torch.from_numpy(points) if offset else None,
    )
    same(found, wanted)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("groups", [(1, 1), (6, 1), (3, 2), (1, 8)])
def test_palettes(bits: int, groups: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    indices = rng.integers(0, 1 << bits, (6, 8)).astype(np.uint8)
    table = rng.normal(0, 1, (*groups, 1 << bits, 1)).astype(np.float32)
    parts = {"indices": stored(f"uint{bits}", indices), "lut": stored("fp32", table)}
    found = expanded(LOOK_UP, indices.shape, parts)
    assert np.array_equal(found.elements.array(), indices)
    same(found, lut_to_dense(torch.from_numpy(indices), torch.from_numpy(table)))


@pytest.mark.parametrize(
    "text",
    ["half", "int8", "int4 block 8", "int4 block 8 zero-point", "int8 zero-point", "palette6",
     "palette3 rows 2", "palette4 rows 1"],
)  # fmt: skip
def test_a_scheme_stands_for_what_it_says(text: str) -> None:
    """The stored form as data, as this module expands it: equal to the bit."""
    values = np.random.default_rng(3).normal(0, 0.02, (6, 16, 3, 3)).astype(np.float32)
    made = compress(values, Scheme.parse(text))
    signed = made.data.dtype == np.int8
    name = f"{'' if signed else 'u'}int{made.scheme.bits}" if made.scheme.bits else "fp16"
    elements = stored(name, made.data)
    if made.table is not None:
        parts = {"indices": elements, "lut": stored("fp32", made.table)}
        found: Expanded = expanded(LOOK_UP, values.shape, parts)
    else:
        assert made.scale is not None
        parts = {"data": elements, "scale": stored("fp32", made.scale)}
        if made.zero_point is not None:
            parts["offset"] = stored(name, made.zero_point)
        found = expanded(SHIFT_SCALE, values.shape, parts)
    assert found.array().tobytes() == made.expanded().tobytes()


def test_in_half_precision_the_product_is_rounded() -> None:
    data, scale = np.array([[100, -3]], np.int8), np.array([[0.01]], np.float16)
    parts = {"data": stored("int8", data), "scale": stored("fp16", scale)}
    found = expanded(SHIFT_SCALE, (1, 2), parts, "fp16")
    assert found.array().dtype == np.float16
    assert np.array_equal(found.array(), (data * scale.astype(np.float32)).astype(np.float16))


INDICES = stored("uint2", np.zeros((4, 6), np.uint8))


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (LOOK_UP, {"indices": INDICES, "lut": stored("fp32", np.zeros((3, 1, 4, 1), np.float32))}),
        (LOOK_UP, {"indices": INDICES, "lut": stored("fp32", np.zeros((1, 1, 8, 1), np.float32))}),
        (LOOK_UP, {"indices": INDICES, "lut": stored("fp32", np.zeros((1, 1, 4, 2), np.float32))}),
        (LOOK_UP, {"indices": INDICES, "lut": stored("fp32", np.zeros(4, np.float32))}),
        (SHIFT_SCALE, {"data": INDICES, "scale": stored("fp32", np.ones((1, 4), np.float32))}),
        (SHIFT_SCALE, {"data": INDICES, "scale": stored("fp32", np.ones(1, np.float32))}),
        (
            SHIFT_SCALE,
            {
                "data": INDICES,
                "scale": stored("fp32", np.ones((1, 1), np.float32)),
                "offset": stored("uint2", np.ones((3, 1), np.uint8)),
            },
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(kind: str, parts: dict[str, Constant]) -> None:
    with pytest.raises(BundleError, match="make no fp32"):
        expanded(kind, (4, 6), parts)


def test_narrow_elements_share_bytes_the_first_lowest() -> None:
    signed = np.array([1, -2, 7, -8, 3], np.int8)
    assert pack(signed, BY_NAME["int4"]).tolist() == [0xE1, 0x87, 0x03]
    for name in ("uint1", "uint2", "uint3", "uint4", "uint6"):
        dtype = BY_NAME[name]
        values = np.arange(37, dtype=np.uint8) % (1 << dtype.bits)
        assert np.array_equal(unpack(pack(values, dtype), dtype, 37), values)
    assert np.array_equal(unpack(pack(signed, BY_NAME["int4"]), BY_NAME["int4"], 5), signed)
