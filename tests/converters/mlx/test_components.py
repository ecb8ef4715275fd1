"""Components as MLX folders: what is stored, in which layout, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from mobileo_export.artifacts.mlx import tensors
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.compression import affine
from mobileo_export.compression.plan import EXACTLY, NONE, parse
from mobileo_export.compression.schemes import Scheme
from mobileo_export.converters.mlx import components
from mobileo_export.converters.options import Options
from mobileo_export.converters.registry import of
from mobileo_export.errors import ConversionError, UsageError
from tests.converters.mlx.conftest import Rewrite
from tests.narrow import preset

DIT, MCP = COMPONENTS["dit"], COMPONENTS["mcp"]
MATRIX = "transformer_blocks.0.attn1.to_q"
PREFIX = DIT.prefixes[0]


def plan_of(**schemes: str) -> Any:
    content = {"schema_version": 1, "components": {"dit": schemes}}
    return parse("some.json", content, Path("some.json"))


def convert(checkpoint: Checkpoint, output: Path, compression: Any, half: bool = True) -> Path:
    precision: Any = "float16" if half else "float32"
    layout = affine.planned(checkpoint.model, DIT, compression, precision)
    components.convert(checkpoint, DIT, output, layout=layout)
    return output


def read(folder: Path) -> dict[str, Any]:
    stored = safetensors_file.read_header(folder / "model.safetensors")
    return {name: safetensors_file.raw(info) for name, info in stored.items()}


@pytest.mark.parametrize("bits", [8, 6, 5, 4])
@pytest.mark.parametrize("group", [32, 64])
def test_a_matrix_is_what_mlx_makes_of_it(bits: int, group: int, checkpoint: Checkpoint) -> None:
    read = checkpoint.read(f"{PREFIX}{MATRIX}.weight", "released")
    values = read.reshape(-1, 192).astype(np.float16)
    made = mx.quantize(mx.array(values), group_size=group, bits=bits)
    tensor = tensors.linear(MATRIX + ".weight", values.shape)
    assert tensor.matrix
    from mobileo_export.artifacts.mlx.packed import quantize

    found: tuple[Any, ...] = quantize(tensor.make(values.astype(np.float32)), bits, group)
    for ours, theirs in zip(found, made, strict=True):
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_the_folder_holds_what_its_configuration_says(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = convert(checkpoint, tmp_path / "transformer", preset("small"))
    config = json.loads((folder / "config.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert config["model_type"] == "mobileo_dit"
    assert config["torch_dtype"] == "float16"
    assert config["num_layers"] == checkpoint.model.diffusion.dit.num_layers
    stored, common = read(folder), config["quantization"]
    assert common["bits"] == 4
    # Of the small preset what the timestep makes is stored in eight bits, tables and kernels plain.
    assert config["quantization"]["time_embed.linear"] == {"bits": 8, "group_size": 32}
    assert config["quantization"]["proj_out"] is False
    assert stored[f"{MATRIX}.weight"].dtype == np.uint32
    assert stored["scale_shift_table"].dtype == np.float16
    kernel = checkpoint.read(f"{PREFIX}transformer_blocks.0.ff.conv_depth.weight", "released")
    found = stored["transformer_blocks.0.ff.conv_depth.weight"]
    assert np.array_equal(found, kernel.astype(np.float16).transpose(0, 2, 3, 1))


def test_without_quantization_every_number_is_the_checkpoints(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = convert(checkpoint, tmp_path / "transformer", NONE, half=False)
    config = json.loads((folder / "config.json").read_text())
    assert "quantization" not in config
    assert config["torch_dtype"] == "float32"
    for name, values in read(folder).items():
        right = checkpoint.read(PREFIX + name, "released")
        assert np.array_equal(
            values.reshape(-1).view("u4").sum(), right.reshape(-1).view("u4").sum()
        )
        assert np.array_equal(np.sort(values, axis=None), np.sort(right, axis=None))


def test_the_same_bytes_every_time(checkpoint: Checkpoint, tmp_path: Path) -> None:
    plan = preset("w8")
    first, second = (convert(checkpoint, tmp_path / name, plan) for name in ("a", "b"))
    for name in ("config.json", "model.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_every_layout_comes_back() -> None:
    random = np.random.default_rng(0)
    for make, shape in (
        (tensors.plain, (6, 5)),
        (tensors.linear, (6, 5)),
        (tensors.linear, (6, 5, 1, 1)),
        (tensors.linear, (6, 5, 1)),
        (tensors.convolution, (6, 1, 3, 3)),
        (tensors.convolution, (6, 5, 3)),
    ):
        tensor = make("x", shape)
        values = random.standard_normal(shape, dtype=np.float32)
        stored = tensor.make(values)
        assert stored.shape == tensor.shape
        assert np.array_equal(tensor.back(stored)["x"], values)
    with pytest.raises(ValueError, match="more than one pixel"):
        tensors.linear("x", (6, 5, 3, 3))


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("exact", None),
        ("half", None),
        ("int8", (8, 64)),
        ("int4 block 32", (4, 32)),
        ("int8 block 128", (8, 128)),
        ("palette6", (6, 64)),
        ("palette4 rows 16", (4, 64)),
    ],
)
def test_a_scheme_is_a_width(scheme: str, width: tuple[int, int] | None) -> None:
    assert affine.width(Scheme.parse(scheme)) == width


@pytest.mark.parametrize(
    ("scheme", "said"),
    [("palette3", "palette3: MLX has 4, 5, 6 or 8 bits"), ("int8 block 16", "int8 block 16: MLX")],
)
def test_what_mlx_does_not_have_is_refused_by_name(
    scheme: str, said: str, checkpoint: Checkpoint
) -> None:
    options = Options(
        (DIT,), target="mlx", precision="float16", compression=plan_of(**{"*": scheme})
    )
    with pytest.raises(UsageError, match=f"compression plan some.json: dit: .*{said}"):
        of(DIT, "mlx").check(checkpoint, (DIT,), options)


def test_exact_is_refused_and_a_plan_that_fits_nothing(checkpoint: Checkpoint) -> None:
    converter = of(DIT, "mlx")
    with pytest.raises(UsageError, match="--compression exact: is that of packages"):
        converter.check(checkpoint, (DIT,), Options((DIT,), target="mlx", compression=EXACTLY))
    plan = plan_of(**{"no.such.*": "int8"})
    with pytest.raises(UsageError, match="fits no matrix"):
        converter.check(checkpoint, (DIT,), Options((DIT,), target="mlx", compression=plan))
    # Of an ios bundle the language model's folder knows nothing of it.
    llm = COMPONENTS["llm"]
    of(llm, "ios").check(checkpoint, (llm,), Options((llm,), compression=EXACTLY))


def test_widths_of_palettes_and_groups_that_do_not_divide_are_told(checkpoint: Checkpoint) -> None:
    options = Options(
        select("dit,mcp"),
        target="mlx",
        precision="float16",
        compression=plan_of(**{"*.attn1.*": "palette6", "*": "int8 block 128"}),
    )
    said = of(DIT, "mlx").warnings(checkpoint, options)
    assert any("palette6 is stored as MLX stores 6 bits" in line for line in said)
    # The tiny transformer is 96 wide.
    assert any("rows are no multiple of the group size" in line for line in said)


def test_the_estimate_is_what_is_written(checkpoint: Checkpoint, tmp_path: Path) -> None:
    options = Options((DIT,), target="mlx", precision="float16", compression=preset("w8"))
    estimate = of(DIT, "mlx").estimate(checkpoint, DIT, options)
    folder = convert(checkpoint, tmp_path / "transformer", options.compression)
    written = sum(path.stat().st_size for path in folder.iterdir())
    assert written == pytest.approx(estimate.bytes, rel=0.05)


def test_a_value_that_half_cannot_hold_is_refused(rewritten: Rewrite, tmp_path: Path) -> None:
    name = f"{PREFIX}{MATRIX}.weight"
    whole = rewritten({})
    values = whole.read(name, "released").copy()
    values[0, 0] = 70000
    import shutil

    shutil.rmtree(whole.path)
    large = rewritten({name: ("F32", values)})
    with pytest.raises(ConversionError, match="70000, beyond float16's 65504"):
        convert(large, tmp_path / "transformer", NONE)
    assert list(tmp_path.glob("*transformer*")) == []


def test_an_output_that_exists_is_left_alone(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "transformer").mkdir()
    with pytest.raises(UsageError, match="already exists"):
        convert(checkpoint, tmp_path / "transformer", NONE)
