"""Components on MLX beside PyTorch: float32 to rounding, float16 near it, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export.artifacts.mlx.component_folder import open_component
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.compression.plan import NONE
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.runtimes.mlx.dequantized import MLXDequantizedRuntime
from mobileo_export.runtimes.mlx.runtime import MLXRuntime
from mobileo_export.runtimes.torch_reference import TorchRuntime
from tests.exports import Exports
from tests.narrow import preset

NAMES = ("mcp", "dit")


@pytest.fixture(scope="module")
def plain(tiny_checkpoint: Path, exported: Exports) -> Path:
    return exported(
        tiny_checkpoint, ",".join(NAMES), target="mlx", precision="float32", compression=NONE
    )


@pytest.fixture(scope="module")
def w8(tiny_checkpoint: Path, exported: Exports) -> Path:
    return exported(
        tiny_checkpoint,
        ",".join(NAMES),
        target="mlx",
        precision="float16",
        compression=preset("w8"),
    )


def folder_of(bundle: Path, name: str) -> Path:
    return bundle / COMPONENTS[name].file


def error(found: Any, right: Any) -> float:
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [8, 77])
def test_float32_is_pytorch_to_rounding(
    name: str, length: int, plain: Path, tiny_checkpoint: Path
) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    inputs = COMPONENTS[name].example_inputs(checkpoint.model, N=length)
    right = TorchRuntime().load_component(checkpoint, name, "released").run(inputs)
    (output,) = right
    for runtime in (MLXRuntime(), MLXRuntime("float32"), MLXDequantizedRuntime()):
        session = runtime.load(folder_of(plain, name))
        found = session.run(inputs)[output]
        assert found.dtype == np.float32
        assert error(found, right[output]) < 1e-5
        session.close()


@pytest.mark.parametrize("name", NAMES)
def test_float32_activations_compute_what_is_stored(name: str, w8: Path) -> None:
    content = manifest.read(w8)
    specs = tuple(map(manifest.tensor_spec, content["components"][name]["inputs"]))
    from mobileo_export.components import random_inputs

    inputs = random_inputs(specs, 100)
    (right,) = MLXDequantizedRuntime().load(folder_of(w8, name)).run(inputs).values()
    (wide,) = MLXRuntime("float32").load(folder_of(w8, name)).run(inputs).values()
    (half,) = MLXRuntime().load(folder_of(w8, name)).run(inputs).values()
    assert error(wide, right) < 1e-5
    # The projector is float32 in any build.
    assert error(half, right) < (1e-5 if name == "mcp" else 1e-2)


def test_two_rows_are_what_each_is_alone(w8: Path) -> None:
    content = manifest.read(w8)["components"]["dit"]
    from mobileo_export.components import random_inputs

    specs = tuple(map(manifest.tensor_spec, content["inputs"]))
    session = MLXRuntime("float32").load(folder_of(w8, "dit"))
    both = random_inputs(specs, 100, B=2)
    both["encoder_attention_mask"][1, 20:] = 0
    both["timestep"][1] = 7
    together = session.run(both)["velocity"]
    for row in range(2):
        alone = session.run({name: values[row : row + 1] for name, values in both.items()})
        assert error(together[row], alone["velocity"][0]) < 1e-5
    masked = {name: values[1:] for name, values in both.items()}
    cut = {**masked, "encoder_hidden_states": masked["encoder_hidden_states"].copy()}
    cut["encoder_hidden_states"][:, 20:] = 3
    assert error(session.run(cut)["velocity"], together[1:]) < 1e-5


def test_patches_of_two_pixels(tiny_checkpoint: Path) -> None:
    """No published transformer has them, and the arithmetic is general."""
    import mlx.core as mx
    import torch

    from mobileo_export.artifacts.mlx.models import MODELS
    from mobileo_export.reference import loading
    from mobileo_export.reference.dit import DiT
    from mobileo_export.runtimes.mlx.dit import DiTModel

    config = replace(Checkpoint.open(tiny_checkpoint).model.diffusion.dit, patch_size=2)
    from diffusers import SanaTransformer2DModel

    torch.manual_seed(0)
    reference = DiT(SanaTransformer2DModel(**asdict(config))).eval()
    assert loading  # the reference is that of `build`, with other values
    state = {
        name.removeprefix("transformer."): values.numpy()
        for name, values in reference.state_dict().items()
    }
    tensors = MODELS["dit"].tensors(config)
    held = {t.target: mx.array(t.make(*(state[s] for s in t.sources))) for t in tensors}

    from mobileo_export.runtimes.mlx.layers import Matrix

    class Held:
        dtype = mx.float32

        def array(self, name: str, dtype: Any = None) -> Any:
            return held[name]

        def matrix(self, name: str, dtype: Any = None) -> Any:
            return Matrix(held[f"{name}.weight"], held.get(f"{name}.bias"))

        def rank(self, name: str) -> int:
            return int(held[name].ndim)

    random = np.random.default_rng(1)
    side = config.sample_size
    inputs = (
        random.standard_normal((1, config.in_channels, side, side), dtype=np.float32),
        np.array([500], np.float32),
        random.standard_normal((1, 9, config.caption_channels), dtype=np.float32),
        np.ones((1, 9), np.float32),
    )
    with torch.inference_mode():
        right = reference(*map(torch.from_numpy, inputs)).numpy()
    stand_in: Any = Held()
    latent, *others = map(mx.array, inputs)
    found = DiTModel(config, stand_in)(latent.transpose(0, 2, 3, 1), *others)
    assert error(np.array(found.transpose(0, 3, 1, 2)), right) < 1e-5


def test_no_product_comes_near_the_end_of_half(
    w8: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of activations in half precision, with a conditioning four times as large as usual."""
    import mlx.core as mx

    from mobileo_export.runtimes.mlx.layers import Matrix

    seen: list[float] = []
    multiplied = Matrix.__call__

    def watched(matrix: Matrix, x: Any) -> Any:
        found = multiplied(matrix, x)
        seen.append(float(mx.abs(found.astype(mx.float32)).max()))
        return found

    monkeypatch.setattr(Matrix, "__call__", watched)
    inputs = COMPONENTS["dit"].example_inputs(Checkpoint.open(tiny_checkpoint).model)
    inputs["encoder_hidden_states"] *= 4
    session = MLXRuntime().load(folder_of(w8, "dit"))
    for timestep in (1, 999):
        found = session.run({**inputs, "timestep": np.array([timestep], np.float32)})
        assert np.isfinite(found["velocity"]).all()
    assert len(seen) > 40
    assert max(seen) < 65504 / 8


def test_a_closed_session_and_inputs_that_do_not_fit(w8: Path) -> None:
    session = MLXRuntime().load(folder_of(w8, "mcp"))
    with pytest.raises(UsageError, match="stacked_hidden_states"):
        session.run({})
    session.close()
    with pytest.raises(UsageError, match="closed"):
        session.run({})


def test_components_on_mlx_import_no_torch(w8: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from mobileo_export.runtimes.mlx.runtime import MLXRuntime
MLXRuntime().load(Path({str(folder_of(w8, "dit"))!r}))
MLXRuntime().load(Path({str(folder_of(w8, "mcp"))!r}))
print([name for name in ("torch", "transformers", "diffusers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def edited(bundle: Path, tmp_path: Path, name: str, **changes: Any) -> Path:
    """A copy of a bundle, a component's configuration of which says something else."""
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    path = folder_of(copy, name) / "config.json"
    config = json.loads(path.read_text())
    config |= changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v != "absent"}))
    return folder_of(copy, name)


LIES: list[tuple[dict[str, Any], str]] = [
    (
        {"model_type": "mobileo_none"},
        "model_type is 'mobileo_none'; known are mobileo_vision_encoder",
    ),
    ({"model_type": "mobileo_mcp"}, "says model_type mobileo_mcp, manifest.json that is connector"),
    ({"torch_dtype": "bfloat16"}, "torch_dtype is 'bfloat16', expected float16 or float32"),
    ({"torch_dtype": "float32"}, "config.json asks for F32"),
    ({"num_layers": 1}, "says num_layers 1, manifest.json"),
    ({"num_layers": "absent"}, "num_layers is missing"),
    ({"num_layers": "2"}, "num_layers is '2', which it cannot be"),
    ({"num_layers": True}, "num_layers is True, which it cannot be"),
    ({"num_layers": 10**9}, "num_layers is 1000000000, which it cannot be"),
    ({"norm_eps": 1e-5}, "says norm_eps 1e-05, manifest.json 1e-06"),
    ({"norm_eps": float("nan")}, "norm_eps is nan, which it cannot be"),
    ({"rope_scaling": 2}, "says rope_scaling, which no such component has"),
    ({"quantization": 8}, "quantization is no object"),
    ({"quantization": {"bits": 3, "group_size": 64}}, "MLX has bits 4, 5, 6, 8"),
    ({"quantization": {"bits": 8, "group_size": 48}}, "group sizes 32, 64, 128"),
    ({"quantization": {"bits": 4, "group_size": 32}}, "says quantization of patch_embed.proj"),
    ({"quantization": "absent"}, "config.json asks for F16"),
]


@pytest.mark.parametrize(("changes", "said"), LIES, ids=[said[:40] for _, said in LIES])
def test_every_lie_of_the_configuration_is_one_line(
    changes: dict[str, Any], said: str, w8: Path, tmp_path: Path
) -> None:
    folder = edited(w8, tmp_path, "dit", **changes)
    for runtime in (MLXRuntime(), MLXDequantizedRuntime()):
        with pytest.raises(BundleError) as caught:
            runtime.load(folder)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith("export it again or download it again")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"no.such": False}, "says quantization of no.such, the component no such matrix"),
        ({"bits": 4}, "config.json asks for U32"),
        ({"proj_out": {"bits": 8}}, "quantization.proj_out is {'bits': 8}; MLX has bits"),
        ({"proj_out": True}, "quantization.proj_out is True; MLX has bits"),
    ],
)
def test_every_lie_of_the_quantization_is_one_line(
    change: dict[str, Any], said: str, w8: Path, tmp_path: Path
) -> None:
    stated = json.loads((folder_of(w8, "dit") / "config.json").read_text())["quantization"]
    folder = edited(w8, tmp_path, "dit", quantization=stated | change)
    with pytest.raises(BundleError) as caught:
        open_component(folder)
    assert said in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "nan", "config", "weights", "swapped"])
def test_a_damaged_folder_is_one_line(damage: str, w8: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(w8, tmp_path / "bundle"))
    folder = folder_of(copy, "dit")
    weights = folder / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "nan":
        from mobileo_export.parity.mutations.folder import Folder

        edit = Folder(folder)
        values = edit.values("scale_shift_table")
        values[0, 0] = np.nan
        edit.store("scale_shift_table", values)
        edit.patch().put(folder)
    elif damage == "config":
        (folder / "config.json").write_text("{")
    elif damage == "weights":
        weights.unlink()
    else:
        other = folder_of(copy, "mcp")
        (folder / "config.json").write_text((other / "config.json").read_text())
    with pytest.raises(BundleError) as caught:
        MLXRuntime().load(folder)
    assert "\n" not in str(caught.value)
    assert "transformer" in str(caught.value)


def test_a_folder_outside_a_bundle_is_refused(w8: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(folder_of(w8, "dit"), tmp_path / "transformer"))
    with pytest.raises(BundleError, match="not a bundle"):
        open_component(alone)
