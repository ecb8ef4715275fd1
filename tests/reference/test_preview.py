"""The map from latents to colors, fitted to a decoder that is known and to the miniature's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mobileo_export import assets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.pipelines import generate
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import open_model
from mobileo_export.reference import preview
from mobileo_export.serve.previews import ColorFit

_MATRIX = np.array([[0.1, -0.05, 0.0], [0.0, 0.08, 0.02], [-0.03, 0.0, 0.11]])
_OFFSET = np.array([0.1, -0.2, 0.05])
PROMPTS = (
    "a red circle on a white background",
    "three green circles",
    "a purple square and a purple triangle",
    "a yellow square on a black background",
)


class Linear(torch.nn.Module):
    """Each place becomes 4 x 4 pixels about a color that is linear in it."""

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        matrix, offset = torch.tensor(_MATRIX).float(), torch.tensor(_OFFSET).float()
        colors = torch.einsum("ij,njhw->nihw", matrix, latent) + offset[:, None, None]
        pattern = torch.tensor([[0.1, -0.1], [-0.1, 0.1]]).repeat(2, 2)
        image: torch.Tensor = torch.kron(colors, torch.ones(4, 4)) + pattern.repeat(
            latent.shape[2], latent.shape[3]
        )
        return image


def test_a_linear_decoder_is_found_exactly() -> None:
    found = preview.fit(Linear(), 3, 1.0)
    assert found is not None
    np.testing.assert_allclose(found["matrix"], _MATRIX, atol=2e-5)
    np.testing.assert_allclose(found["offset"], _OFFSET, atol=2e-5)
    assert found["explained"] == 1.0
    assert found == preview.fit(Linear(), 3, 1.0)


def test_a_decoder_without_numbers_has_no_map() -> None:
    class Broken(torch.nn.Module):
        def forward(self, latent: torch.Tensor) -> torch.Tensor:
            return torch.full((len(latent), 3, 4, 4), float("nan"))

    assert preview.fit(Broken(), 3, 1.0) is None


def test_a_decoder_of_one_color() -> None:
    class Gray(torch.nn.Module):
        def forward(self, latent: torch.Tensor) -> torch.Tensor:
            return torch.full((len(latent), 3, 4, 4), 0.5)

    found = preview.fit(Gray(), 2, 1.0)
    assert found is not None
    assert found["explained"] == 1.0
    np.testing.assert_allclose(found["offset"], 0.5, atol=1e-4)
    np.testing.assert_allclose(found["matrix"], 0, atol=1e-5)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Any, Any]]:
    """What the miniature's decoder was given, and made of it."""
    pairs = []
    with open_model("miniature", keep=True) as model:
        for seed, prompt in enumerate(PROMPTS):
            drawing = Drawing.of(model.recipe, 8, None, seed)
            seen: list[Any] = []
            generate.generate(model, prompt, drawing, observe=seen.append)
            (call,) = [event.arrays for event in seen if event.stage == "vae_decoder"]
            pairs.append((call["latent"], call["image"]))
    return pairs


def test_it_shows_the_miniatures_drawings(drawn: list[tuple[Any, Any]]) -> None:
    checkpoint = Checkpoint.open(assets.miniature())
    spec = COMPONENTS["vae_decoder"]
    found = spec.preview(spec.reference(checkpoint, "released"), checkpoint.model)
    assert found is not None
    assert found["explained"] > 0.4
    pictures = [image for _, image in drawn]
    ours = likeness([ColorFit(found).estimate(latent) for latent, _ in drawn], pictures)
    assert ours > 0.5
    assert ours > likeness([gray(latent) for latent, _ in drawn], pictures)
    taught: list[float] = []
    told: list[float] = []  # what one picture tells of the others, alone and beside the map
    for teacher in drawn:
        for fit, shown in ((ColorFit(), taught), (ColorFit(found), told)):
            assert fit.estimate(teacher[0]) is None or shown is told
            fit.learn(*teacher)
            shown.append(likeness([fit.estimate(latent) for latent, _ in drawn], pictures))
    assert ours > max(taught)
    assert np.mean(told) > np.mean(taught)
    for latent, image in drawn:  # a picture of its own makes it better
        fit = ColorFit(found)
        before = likeness([fit.estimate(latent)], [image])
        fit.learn(latent, image)
        assert likeness([fit.estimate(latent)], [image]) > before


def gray(latent: Any) -> Any:
    """The channel that varies most, as an app shows it that knows no colors."""
    channels = latent[0]
    widest = channels[np.argmax(np.ptp(channels, axis=(1, 2)))]
    return np.repeat(((widest - widest.min()) / np.ptp(widest) * 255)[..., None], 3, 2)


def likeness(shown: Any, images: Any) -> float:
    """The correlation of previews with the pictures, their pixels as large as the previews'."""
    found, wanted = [], []
    for preview_pixels, image in zip(shown, images, strict=True):
        height, width = preview_pixels.shape[:2]
        blocks = image[0].reshape(3, height, image.shape[2] // height, width, -1).mean((2, 4))
        found.append(preview_pixels.transpose(2, 0, 1).ravel().astype(np.float64))
        wanted.append(blocks.clip(-1, 1).ravel())
    return float(np.corrcoef(np.concatenate(found), np.concatenate(wanted))[0, 1])


def test_other_components_have_none() -> None:
    model = Checkpoint.open(assets.miniature()).model
    assert COMPONENTS["mcp"].preview(torch.nn.Identity(), model) is None
