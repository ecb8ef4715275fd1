from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mobileo_export.components import COMPONENTS

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint


@torch.inference_mode()
def test_equals_the_whole_diffusers_autoencoder_to_the_bit(
    checkpoint: Checkpoint, stored: dict[str, torch.Tensor]
) -> None:
    from diffusers import AutoencoderDC

    config = AutoencoderDC.load_config(
        checkpoint.path / checkpoint.config["diffusion_name_or_path"] / "vae"
    )
    theirs = AutoencoderDC.from_config(config).eval()
    prefix = "model.vae."
    theirs.load_state_dict(
        {n.removeprefix(prefix): t for n, t in stored.items() if n.startswith(prefix)}
    )
    component = COMPONENTS["vae_decoder"]
    latent = torch.from_numpy(component.example_inputs(checkpoint.model)["latent"])
    expected = theirs.decode(latent).sample
    image = component.reference(checkpoint, "released")(latent)
    assert expected.std() > 0.01
    assert torch.equal(image, expected)


def test_the_encoder_is_never_built(checkpoint: Checkpoint) -> None:
    reference = COMPONENTS["vae_decoder"].reference(checkpoint, "released")
    assert {name.partition(".")[0] for name in reference.state_dict()} == {"decoder"}
