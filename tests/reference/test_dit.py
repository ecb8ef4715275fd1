from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from mobileo_export.components import COMPONENTS

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint


def inputs(checkpoint: Checkpoint, length: int) -> list[torch.Tensor]:
    arrays = COMPONENTS["dit"].example_inputs(checkpoint.model, seed=1, N=length)
    return [torch.from_numpy(array) for array in arrays.values()]


@pytest.fixture(scope="module")
def reference(checkpoint: Checkpoint) -> torch.nn.Module:
    return COMPONENTS["dit"].reference(checkpoint, "released")


@pytest.mark.parametrize(("length", "timestep"), [(8, 0.25), (77, 500.0), (311, 999.5)])
@torch.inference_mode()
def test_equals_diffusers_to_the_bit(
    checkpoint: Checkpoint,
    stored: dict[str, torch.Tensor],
    reference: torch.nn.Module,
    length: int,
    timestep: float,
) -> None:
    from diffusers import SanaTransformer2DModel

    config = SanaTransformer2DModel.load_config(
        checkpoint.path / checkpoint.config["diffusion_name_or_path"] / "transformer"
    )
    theirs = SanaTransformer2DModel.from_config(config).eval()
    prefix = "model.dit."
    theirs.load_state_dict(
        {n.removeprefix(prefix): t for n, t in stored.items() if n.startswith(prefix)}
    )
    latent, time, text, mask = inputs(checkpoint, length)
    time[:] = timestep
    mask[:, length // 2 :] = 0
    expected = theirs(latent, text, time, encoder_attention_mask=mask).sample
    assert expected.std() > 0.1
    assert torch.equal(reference(latent, time, text, mask), expected)


@torch.inference_mode()
def test_every_input_matters_and_the_mask_hides_tokens(
    checkpoint: Checkpoint, reference: torch.nn.Module
) -> None:
    latent, time, text, mask = inputs(checkpoint, 16)
    full = reference(latent, time, text, mask)
    assert not torch.allclose(reference(latent, time - 300, text, mask), full, atol=1e-3)
    assert not torch.allclose(reference(latent + 1, time, text, mask), full, atol=1e-3)
    mask[:, 10:] = 0
    masked = reference(latent, time, text, mask)
    assert not torch.allclose(masked, full, atol=1e-3)
    text[:, 10:] += 5
    torch.testing.assert_close(reference(latent, time, text, mask), masked, rtol=0, atol=1e-6)
    shorter = reference(latent, time, text[:, :10], mask[:, :10])
    torch.testing.assert_close(shorter, masked, rtol=0, atol=1e-5)
