"""The weight file and compressed weights."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.artifacts.mlpackage.blob import BlobFile, unpack
from mobileo_export.artifacts.mlpackage.dtypes import BY_NAME
from mobileo_export.runtimes.mil import MilRuntime

from .export import convert

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.artifacts.mlpackage.dtypes import DType


def test_reader_agrees_with_the_writer_of_coremltools(tmp_path: Path) -> None:
    from coremltools.converters.mil.mil import types
    from coremltools.libmilstoragepython import _BlobStorageWriter

    writer = _BlobStorageWriter(str(tmp_path / "weight.bin"))
    rng = np.random.default_rng(0)
    written: list[tuple[str, int, np.ndarray]] = []
    for name, method in (
        ("fp32", "float"),
        ("int8", "int8"),
        ("uint8", "uint8"),
        ("int16", "int16"),
        ("uint16", "uint16"),
        ("int32", "int32"),
        ("uint32", "uint32"),
    ):
        values = rng.integers(0, 100, 37).astype(BY_NAME[name].storage)
        written.append((name, getattr(writer, f"write_{method}_data")(values), values))
    half = rng.normal(size=21).astype(np.float16)
    written.append(("fp16", writer.write_fp16_data(half.view(np.uint16)), half))
    for name in ("int4", "uint1", "uint2", "uint3", "uint4", "uint6"):
        low, high = (-8, 8) if name == "int4" else (0, 1 << BY_NAME[name].bits)
        values = rng.integers(low, high, 29)
        packed = values.astype(getattr(types, f"np_{name}_dtype"))
        written.append((name, getattr(writer, f"write_{name}_data")(packed), values))
    del writer

    blob = BlobFile(tmp_path / "weight.bin", "package")
    for name, offset, values in written:
        stored = blob.read(offset, BY_NAME[name], values.size)
        actual = unpack(stored, BY_NAME[name], values.size) if BY_NAME[name].packed else stored
        np.testing.assert_array_equal(actual, values, err_msg=name)


def test_weights_are_views_of_the_mapped_file(tmp_path: Path) -> None:
    from coremltools.libmilstoragepython import _BlobStorageWriter

    writer = _BlobStorageWriter(str(tmp_path / "weight.bin"))
    offset = writer.write_float_data(np.ones(1000, np.float32))
    del writer
    view: Any = BlobFile(tmp_path / "weight.bin", "package").read(offset, BY_NAME["fp32"], 1000)
    while isinstance(view, np.ndarray):
        view = view.base
    assert isinstance(getattr(view, "obj", view), mmap.mmap)


@given(
    st.sampled_from([dtype for dtype in BY_NAME.values() if dtype.packed]),
    st.integers(0, 50),
    st.randoms(use_true_random=False),
)
def test_unpack_inverts_packing(dtype: DType, count: int, random: Any) -> None:
    low = -(1 << (dtype.bits - 1)) if dtype.signed else 0
    values = [random.randrange(low, low + (1 << dtype.bits)) for _ in range(count)]
    bits = [(value >> bit) & 1 for value in values for bit in range(dtype.bits)]
    packed = np.packbits(np.array(bits, np.uint8), bitorder="little")
    assert unpack(packed, dtype, count).tolist() == values


class Layers(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(8, 32, 3)
        self.linear = torch.nn.Linear(32, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.relu(self.conv(x)).flatten(2).transpose(1, 2))


def schemes() -> dict[str, Any]:
    from coremltools.optimize import coreml as cto

    def linear(**options: Any) -> Any:
        config = cto.OpLinearQuantizerConfig(weight_threshold=0, **options)
        return lambda model: cto.linear_quantize_weights(
            model, cto.OptimizationConfig(global_config=config)
        )

    def prune(model: Any) -> Any:
        config = cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=0)
        return cto.prune_weights(model, cto.OptimizationConfig(global_config=config))

    return {
        "int8": linear(mode="linear_symmetric", dtype="int8"),
        "uint8 with offset": linear(mode="linear", dtype="uint8"),
        "int4 in blocks": linear(
            mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=4
        ),
        "sparse": prune,
    }


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("scheme", ["int8", "uint8 with offset", "int4 in blocks", "sparse"])
def test_compressed_package_equals_its_expansion(tmp_path: Path, scheme: str, half: bool) -> None:
    import coremltools as ct
    from coremltools.optimize import coreml as cto

    torch.manual_seed(0)
    x = torch.randn(1, 8, 6, 6)
    source = convert(Layers(), {"x": x}, tmp_path / "source.mlpackage", half=half)
    compressed = schemes()[scheme](ct.models.MLModel(str(source), skip_model_load=True))
    compressed.save(str(tmp_path / "compressed.mlpackage"))
    cto.decompress_weights(compressed).save(str(tmp_path / "expanded.mlpackage"))

    runtime = MilRuntime()
    kinds = []
    results = []
    for name in ("compressed", "expanded"):
        session = runtime.load(tmp_path / f"{name}.mlpackage")
        dtype = session.signature.inputs[0].dtype
        results.append(
            session.run(
                {"x": x.numpy().astype(dtype)}, on_op=lambda op, outputs: kinds.append(op.kind)
            )["output"]
        )
    compressed_output, expanded_output = results
    np.testing.assert_array_equal(compressed_output, expanded_output)
    assert all(not kind.startswith("constexpr") for kind in kinds)
