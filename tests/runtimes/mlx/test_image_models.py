"""The vision encoder and the VAE decoder on MLX against PyTorch, whole and in bands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np
import pytest
import torch

from mobileo_export.checkpoint.diffusion_config import VAEConfig
from mobileo_export.checkpoint.model_config import VisionConfig, VisionStage
from mobileo_export.random_checkpoint import models
from mobileo_export.runtimes.mlx import convolutions

from .component_folders import Source

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TINY = models.model("tiny")
RESIDUAL, ATTENTION = "ResBlock", "EfficientViTBlock"


def vae(
    channels: tuple[int, ...],
    kinds: tuple[str, ...],
    scales: tuple[tuple[int, ...], ...],
    latent_channels: int,
    head_dim: int,
    layers: tuple[int, ...],
) -> VAEConfig:
    return replace(
        TINY.diffusion.vae,
        latent_channels=latent_channels,
        attention_head_dim=head_dim,
        decoder_block_types=kinds,
        decoder_block_out_channels=channels,
        decoder_layers_per_block=layers,
        decoder_qkv_multiscales=scales,
    )


DECODERS = {
    "tiny": (TINY.diffusion.vae, 8),
    # As in the released one: a stage of as many channels as the next, and one of half.
    "two scales": (
        vae(
            (16, 32, 32),
            (RESIDUAL, ATTENTION, ATTENTION),
            ((), (3, 5), ()),
            latent_channels=4,
            head_dim=8,
            layers=(2, 1, 2),
        ),
        5,
    ),
    # Four channels become one, one becomes two; head widths that do not divide the channels.
    "other ratios": (
        vae(
            (10, 40, 20, 20),
            (RESIDUAL, RESIDUAL, ATTENTION, ATTENTION),
            ((), (), (3,), (7,)),
            latent_channels=5,
            head_dim=8,
            layers=(1, 2, 1, 1),
        ),
        3,
    ),
    # So few pixels that diffusers multiplies in another order.
    "one pixel": (TINY.diffusion.vae, 1),
}


def stage(dim: int, blocks: int, *, attention: bool, down: bool, position: bool) -> VisionStage:
    return VisionStage(dim, blocks, attention, down, position)


ENCODERS = {
    "tiny": TINY.vision,
    "other stages": VisionConfig(
        image_size=64,
        stages=(
            stage(16, 2, attention=False, down=False, position=True),
            stage(16, 1, attention=False, down=True, position=False),
            stage(96, 1, attention=True, down=True, position=False),
            stage(96, 2, attention=False, down=True, position=True),
        ),
        feature_dim=96,
        squeeze_dim=5,
        mlp_ratio=3,
        clip_dim=None,
    ),
    "three of one": VisionConfig(
        image_size=96,
        stages=(
            stage(32, 1, attention=True, down=False, position=False),
            stage(96, 1, attention=True, down=True, position=True),
        ),
        feature_dim=288,
        squeeze_dim=7,
        mlp_ratio=2,
        clip_dim=None,
    ),
}


def error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Relative L2; the largest of any row, channel or position against the mean of such."""
    assert np.isfinite(found).all()  # max() would let NaN pass
    worst = 0.0
    for axis in range(1, expected.ndim):
        others = tuple(i for i in range(expected.ndim) if i != axis)
        differences = np.sqrt(np.square(found - expected, dtype=np.float64).sum(axis=others))
        sizes = np.sqrt(np.square(expected, dtype=np.float64).sum(axis=others))
        worst = max(worst, float((differences / np.maximum(sizes, sizes.mean())).max()))
    return worst


def outside(result: Any) -> NDArray[Any]:
    assert result.dtype == mx.float32
    found = np.array(result)
    return found.transpose(0, 3, 1, 2) if found.ndim == 4 else found


def call(model: Any, inputs: NDArray[np.float32]) -> NDArray[Any]:
    return outside(model(mx.array(np.ascontiguousarray(inputs.transpose(0, 2, 3, 1)))))


def decoder(name: str) -> tuple[Source, NDArray[np.float32]]:
    config, side = DECODERS[name]
    shape = (1, config.latent_channels, side, side)
    return Source("vae_decoder", config), np.random.default_rng(1).standard_normal(
        shape, dtype=np.float32
    )


def encoder(name: str) -> tuple[Source, NDArray[np.float32]]:
    config = ENCODERS[name]
    shape = (1, 3, config.image_size, config.image_size)
    return Source("vision_encoder", config), np.random.default_rng(1).random(
        shape, dtype=np.float32
    )


CASES = [(decoder, name) for name in DECODERS] + [(encoder, name) for name in ENCODERS]
IDS = [f"{make.__name__}: {name}" for make, name in CASES]


def expected(source: Source, inputs: NDArray[np.float32]) -> NDArray[Any]:
    with torch.inference_mode():
        found: NDArray[Any] = source.reference()(torch.from_numpy(inputs)).numpy()
    assert found.std() > 0.01
    return found


@pytest.mark.parametrize(("make", "name"), CASES, ids=IDS)
def test_computes_what_pytorch_does(make: Any, name: str, tmp_path: Path) -> None:
    source, inputs = make(name)
    wanted = expected(source, inputs)
    found = call(source.model(tmp_path / "wide", "float32"), inputs)
    assert found.shape == wanted.shape
    assert error(found, wanted) < 5e-6
    assert error(call(source.model(tmp_path / "half", "float16"), inputs), wanted) < 0.01


@pytest.mark.parametrize(("make", "name"), CASES, ids=IDS)
def test_bands_are_the_picture(
    make: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four rows at a time, and convolutions a row at a time."""
    source, inputs = make(name)
    model = source.model(tmp_path / "wide", "float32")
    whole = call(model, inputs)
    monkeypatch.setattr(convolutions, "BAND", 1)
    monkeypatch.setattr(convolutions, "_PATCHES", 1)
    assert error(call(model, inputs), whole) < 2e-6


@pytest.mark.parametrize(("make", "name"), CASES, ids=IDS)
def test_a_gpus_convolutions_are_the_same(
    make: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flipped kernels, which Metal does not compute as Winograd's."""
    source, inputs = make(name)
    plain = call(source.model(tmp_path / "cpu", "float32"), inputs)
    monkeypatch.setattr(convolutions, "on_cpu", lambda: False)
    model = source.model(tmp_path / "gpu", "float32")
    assert error(call(model, inputs), plain) < 2e-6


def test_kernels_of_a_gpu_are_flipped(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = mx.arange(2 * 9 * 3, dtype=mx.float32).reshape(2, 3, 3, 3)

    class Held:
        def array(self, name: str) -> Any:
            return weight

        def has(self, name: str) -> bool:
            return False

    held: Any = Held()
    assert not convolutions.convolution("any", held).flipped
    monkeypatch.setattr(convolutions, "on_cpu", lambda: False)
    turned = convolutions.convolution("any", held)
    assert turned.flipped
    assert np.array_equal(np.array(turned.weight), np.array(weight)[:, ::-1, ::-1])


def test_what_a_band_was_made_of_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a picture's activations at its largest size, hardly more than one is there at a time."""
    config = vae((32, 32), (RESIDUAL, RESIDUAL), ((), ()), 4, 8, (3, 1))
    model = Source("vae_decoder", config).model(tmp_path / "half", "float16")
    side = 64
    latent = mx.random.normal((1, side, side, 4))
    mx.eval(model(latent[:, :4, :4]), latent)  # the weights are read
    pixels = (2 * side) ** 2
    activation, image = pixels * 32 * 2, pixels * 3 * 4
    monkeypatch.setattr(convolutions, "BAND", pixels * 32 // 32)
    monkeypatch.setattr(convolutions, "_PATCHES", 1 << 14)
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    mx.eval(model(latent))
    assert mx.get_peak_memory() - before < 1.8 * activation + image


def test_half_precision_holds_sums_over_all_pixels(tmp_path: Path) -> None:
    """Linear attention's sums leave half's range; what comes of their division does not."""
    source = Source("vae_decoder", TINY.diffusion.vae)
    for name in source.values:
        if ".to_q." in name or ".to_k." in name:
            source.values[name] = source.values[name] * np.float32(40)
    inputs = np.random.default_rng(0).standard_normal((1, 8, 24, 24), dtype=np.float32)
    wanted = expected(source, inputs)
    found = call(source.model(tmp_path / "half", "float16"), inputs)
    assert error(found, wanted) < 0.02


def test_gelu_is_exact_where_half_has_no_digits() -> None:
    from mobileo_export.runtimes.mlx.vision_encoder import gelu

    values = np.linspace(-6, 6, 1001).astype(np.float16)
    wanted = torch.nn.functional.gelu(torch.from_numpy(values).double()).numpy()
    found = gelu(mx.array(values))
    assert found.dtype == mx.float16
    assert np.allclose(np.array(found, np.float64), wanted, rtol=6e-4, atol=1e-7)
