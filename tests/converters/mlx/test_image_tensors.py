"""What the folders of the vision encoder and the VAE decoder hold, and what becomes of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export.artifacts.mlx.folder import AGAIN
from mobileo_export.artifacts.mlx.models import MODELS
from mobileo_export.components import COMPONENTS
from mobileo_export.compression.plan import NONE
from mobileo_export.errors import BundleError
from mobileo_export.random_checkpoint import models
from mobileo_export.runtimes.mlx.dequantized import MLXDequantizedRuntime
from mobileo_export.runtimes.mlx.runtime import MLXRuntime
from tests import surgery
from tests.runtimes.mlx.component_folders import Source

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint
    from tests.exports import Exports

TINY = models.model("tiny")
COMPONENT_NAMES = ("vision_encoder", "vae_decoder")


def source(component: str) -> Source:
    return Source(component, MODELS[component].of(TINY))


def error(found: Any, wanted: Any) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def test_normalisations_and_scales_are_folded_as_float64_has_them() -> None:
    """Every convolution of the tower against timm's own modules, in float64."""
    made = source("vision_encoder")
    values, tower = made.folder_values(), made.reference().double().tower
    folded = 0
    for name, module in tower.named_modules():
        wanted: dict[str, torch.Tensor] = {}
        if type(module).__name__ == "ConvNormAct":
            norm = module.bn
            factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            wanted["conv.weight"] = module.conv.weight * factor.reshape(-1, 1, 1, 1)
            wanted["conv.bias"] = norm.bias - norm.running_mean * factor
        elif type(module).__name__ == "RepMixerBlock":
            wanted |= scaled("mlp.fc2", module.mlp.fc2, module.layer_scale)
        elif type(module).__name__ == "AttentionBlock":
            wanted |= scaled("token_mixer.proj", module.token_mixer.proj, module.layer_scale_1)
            wanted |= scaled("mlp.fc2", module.mlp.fc2, module.layer_scale_2)
        for part, tensor in wanted.items():
            array = tensor.numpy()
            laid_out = np.moveaxis(array, 1, -1) if array.ndim == 4 else array
            assert np.array_equal(values[f"{name}.{part}"], laid_out.astype(np.float32)), part
            folded += 1
    blocks = sum(stage.num_blocks for stage in TINY.vision.stages)
    attention = sum(stage.num_blocks for stage in TINY.vision.stages if stage.attention)
    assert folded == 4 * blocks + 2 * attention


def scaled(name: str, layer: Any, scale: Any) -> dict[str, torch.Tensor]:
    rows = scale.gamma.reshape(-1)
    return {
        f"{name}.weight": layer.weight * rows.reshape(-1, *(1,) * (layer.weight.ndim - 1)),
        f"{name}.bias": layer.bias * rows,
    }


@pytest.mark.parametrize("component", COMPONENT_NAMES)
@pytest.mark.parametrize("variant", ["tiny", "0.5b"])
def test_no_number_is_lost_or_made_up(component: str, variant: str) -> None:
    """Every tensor of the checkpoint is in one of the folder, but for the unused head."""
    model = models.model(variant)
    planned = MODELS[component].tensors(MODELS[component].of(model))
    names = {name for tensor in planned for name in tensor.sources}
    (prefix,) = COMPONENTS[component].prefixes
    stored = {name.removeprefix(prefix) for name in COMPONENTS[component].tensors(model)}
    assert names == stored - {"head.proj"}
    assert len({tensor.target for tensor in planned}) == len(planned)
    assert not any(tensor.matrix for tensor in planned)


@pytest.mark.parametrize("component", COMPONENT_NAMES)
def test_what_is_stored_goes_back_into_the_reference(component: str) -> None:
    made = source(component)
    wanted = made.reference()
    given = next(iter(COMPONENTS[component].example_inputs(TINY).values()))
    back: dict[str, Any] = {}
    values = made.folder_values()
    for tensor in MODELS[component].tensors(made.config):
        found = tensor.back(values[tensor.target])
        assert not found.keys() & back.keys()
        back |= found
    assert back.keys() == made.values.keys() - {"head.proj"}
    changed = [name for name in back if not np.array_equal(back[name], made.values[name])]
    assert bool(changed) == (component == "vision_encoder")
    made.values |= back
    with torch.inference_mode():
        expected = wanted(torch.from_numpy(given)).numpy()
        again = made.reference()(torch.from_numpy(given)).numpy()
    assert error(again, expected) < 2e-6


@pytest.fixture(scope="module")
def bundles(tiny_checkpoint: Path, exported: Exports) -> dict[str, Path]:
    return {
        precision: exported(
            tiny_checkpoint,
            ",".join(COMPONENT_NAMES),
            target="mlx",
            precision=precision,
            compression=NONE,
        )
        for precision in ("float16", "float32")
    }


@pytest.mark.parametrize("component", COMPONENT_NAMES)
def test_an_export_runs_as_the_checkpoint_does(
    component: str, bundles: dict[str, Path], checkpoint: Checkpoint
) -> None:
    spec = COMPONENTS[component]
    inputs = spec.example_inputs(checkpoint.model)
    (given,) = inputs.values()
    with torch.inference_mode():
        wanted = spec.reference(checkpoint, "released")(torch.from_numpy(given)).numpy()
    for precision, bound in (("float32", 2e-6), ("float16", 0.005)):
        folder = bundles[precision] / spec.file
        found = MLXRuntime().load(folder).run(inputs)
        (result,) = found.values()
        assert result.dtype == np.float32
        assert result.shape == wanted.shape
        assert error(result, wanted) < bound, precision
        # The same stored numbers, computed with in float32 on both sides.
        (exact,) = MLXDequantizedRuntime().load(folder).run(inputs).values()
        (wide,) = MLXRuntime("float32").load(folder).run(inputs).values()
        assert error(wide, exact) < 2e-6, precision


@pytest.mark.parametrize(
    ("component", "name"),
    [
        ("vision_encoder", "stages.0.blocks.0.mlp.conv.conv.bias"),
        ("vae_decoder", "up_blocks.2.1.attn.to_qkv_multiscale.0.proj_out.weight"),
    ],
)
def test_a_tensor_that_is_missing_or_of_another_shape_is_named(
    component: str, name: str, bundles: dict[str, Path], tmp_path: Path
) -> None:
    bundle = shutil.copytree(bundles["float16"], tmp_path / "bundle")
    folder = bundle / COMPONENTS[component].file
    dtype, values = surgery.load(folder / "model.safetensors")[name]
    for tensor in (
        None,
        (dtype, values[:-1]),
        (dtype, values[..., None]),
        ("BF16", values.view(np.uint16)),
    ):
        surgery.change(folder, {name: tensor})
        with pytest.raises(BundleError) as caught:
            MLXRuntime().load(folder)
        assert name in str(caught.value)
        assert str(caught.value).endswith(AGAIN)
        assert "\n" not in str(caught.value)


def test_values_beyond_half_precision_are_said(
    bundles: dict[str, Path], tmp_path: Path, checkpoint: Checkpoint
) -> None:
    """And not drawn as a black picture; float32 activations hold them."""
    spec = COMPONENTS["vae_decoder"]
    bundle = shutil.copytree(bundles["float16"], tmp_path / "bundle")
    folder, name = bundle / spec.file, "up_blocks.0.0.conv.weight"
    dtype, values = surgery.load(folder / "model.safetensors")[name]
    surgery.change(folder, {name: (dtype, values * np.float16(5e4))})
    inputs = spec.example_inputs(checkpoint.model)
    with pytest.raises(BundleError, match="left the range of float16; export with --precision"):
        MLXRuntime().load(folder).run(inputs)
    (image,) = MLXRuntime("float32").load(folder).run(inputs).values()
    assert np.isfinite(image).all()
