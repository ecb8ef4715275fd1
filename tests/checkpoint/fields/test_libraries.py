"""The tables against the libraries' own reading of the raw files.

Each library builds its model from the file as it stands, never from what we derived of it: a field
that reference and artifact both miss shows here.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest
import torch

from mobileo_export import recipe
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.fields import FILES
from mobileo_export.checkpoint.fields.table import shown
from mobileo_export.errors import CheckpointError
from mobileo_export.pipelines.schedule import DiffusersSolver, NumpySolver
from tests.checkpoint.fields.libraries import (
    CLOSE,
    CONFIG,
    OURS,
    SCHEDULER,
    THEIRS,
    TRANSFORMER,
    VAE,
    Outputs,
    distance,
    our_language_model,
    our_schedule,
    theirs,
)
from tests.checkpoint.fields.values import EVERY
from tests.checkpoint.fields.variants import Variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


GENERATION = "generation_config.json"
# Refused though the library's class alone does not read it: its pipelines, loaders and other
# models, newer versions or the authors' code do.
UNREAD = {
    "model_type", "attention_bias", "partial_rotary_factor", "is_encoder_decoder", "pruned_heads",
    "add_cross_attention", "quantization_config", "timestep_scale", "shift_factor", "_class_name",
    "encoder_out_shortcut", "downsample_block_type", "use_dynamic_shifting", "decoder_norm_types",
    "_use_default_values", "decoder_act_fns", "tie_last_hidden_states", "per_layer_config",
}  # fmt: skip
# Fields that the tensors settle, with a warning where they disagree; transformers fails or obeys.
SETTLED = {"hidden_size", "vocab_size", "tie_word_embeddings"}
# In config.json, but not transformers' to read.
FOREIGN = {
    "text_config", "vision_config", "llm_config", "language_config", "quantization",
    "compression_config", "image_aspect_ratio", "s2", "diffusion_name_or_path", "vlm_num_layers",
    "mobileo_export",
}  # fmt: skip


# --- every field that the libraries know


def qwen2_fields() -> set[str]:
    """Of ``Qwen2Config`` and its bases: arguments, what they pop, what is written, what is said."""
    from transformers import PreTrainedConfig, Qwen2Config

    bases = [base for base in Qwen2Config.__mro__ if base.__module__.startswith("transformers")]
    names = {*inspect.signature(Qwen2Config.__init__).parameters} - {"self"}
    names |= Qwen2Config().to_dict().keys()
    names |= set(re.findall(r"^ +(\w+) \(`", PreTrainedConfig.__doc__ or "", re.MULTILINE))
    for base in bases:
        names |= set(re.findall(r'kwargs\.(?:pop|get)\(\s*"(\w+)"', inspect.getsource(base)))
    # Arguments of from_pretrained and the like, which no file holds.
    return names - {
        "_configuration_file", "_from_auto", "_from_pipeline", "cache_dir", "commit_message",
        "force_download", "gguf_file", "local_files_only", "proxies", "repo_id", "revision",
        "return_unused_kwargs", "subfolder", "token", "trust_remote_code", "kwargs",
        "ignore_keys_at_rope_validation",
    }  # fmt: skip


def arguments(cls: Any) -> set[str]:
    return {*inspect.signature(cls.__init__).parameters} - {"self"}


def test_every_field_of_qwen2_has_a_row() -> None:
    names = qwen2_fields()
    assert {"torch_dtype", "rope_scaling", "hidden_act"} <= names
    assert names - FILES[CONFIG].keys() == set()


def test_every_field_that_qwen2s_network_reads_has_a_row() -> None:
    from transformers.models.qwen2 import modeling_qwen2

    source = inspect.getsource(modeling_qwen2)
    names = set(re.findall(r'\bconfig(?:\.|, ")(\w+)', source))
    assert {"head_dim", "layer_types", "sliding_window"} <= names
    assert names - FILES[CONFIG].keys() == set()


def test_every_field_of_a_generation_config_has_a_row() -> None:
    from transformers import GenerationConfig

    names = vars(GenerationConfig()).keys() | GenerationConfig().to_dict().keys()
    assert "repetition_penalty" in names
    assert names - FILES[GENERATION].keys() == set()


def test_every_field_of_the_image_processor_has_a_row() -> None:
    from transformers import CLIPImageProcessor

    names = CLIPImageProcessor().to_dict().keys()
    assert "image_mean" in names
    assert names - FILES["preprocessor_config.json"].keys() == set()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (TRANSFORMER, "SanaTransformer2DModel"),
        (VAE, "AutoencoderDC"),
        (SCHEDULER, "DPMSolverMultistepScheduler"),
    ],
)
def test_every_field_of_a_diffusers_class_has_a_row(file: str, name: str) -> None:
    import diffusers

    names = arguments(getattr(diffusers, name))
    assert len(names) > 10
    assert names - FILES[file].keys() == set()


# --- what the libraries make of the raw files


@pytest.fixture(scope="module")
def stored(tiny_checkpoint: Path) -> dict[str, torch.Tensor]:
    """Every float tensor in float32, read by the safetensors library."""
    from safetensors.torch import load_file

    tensors = load_file(tiny_checkpoint / "model.safetensors")
    return {name: t.float() for name, t in tensors.items() if t.is_floating_point()}


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def base(shared: Variants, stored: dict[str, torch.Tensor]) -> dict[str, Outputs]:
    found = {}
    for file in THEIRS:
        with torch.inference_mode():
            outputs = theirs(file, shared, stored)
        assert outputs is not None
        found[file] = outputs
    return found


DECIDING = [
    (file, name, value)
    for file, name, value in EVERY
    if file in THEIRS
    and FILES[file][name].use in ("honored", "only")
    and not (file == CONFIG and (name in SETTLED | FOREIGN or name.startswith("mm_")))
]


@pytest.mark.parametrize(
    ("file", "name", "value"),
    DECIDING,
    ids=[f"{file}-{name}-{shown(value)}" for file, name, value in DECIDING],
)
def test_a_field_that_decides_is_followed_or_refused(
    variants: Variants,
    stored: dict[str, torch.Tensor],
    base: dict[str, Outputs],
    file: str,
    name: str,
    value: Any,
) -> None:
    """What is honored gives the library's numbers; what is refused would change them."""
    checkpoint = variants.change(file, {name: value})
    expected = theirs(file, variants, stored)
    if FILES[file][name].use == "only":
        differs = expected is None or distance(expected, base[file]) > CLOSE
        assert differs or name in UNREAD, "refused, though the library does the same as ever"
        return
    try:
        found = OURS[file](checkpoint)
    except CheckpointError:
        return
    assert expected is not None, "the library refuses what is honored"
    assert distance(found, expected) < CLOSE


@pytest.mark.parametrize("file", THEIRS)
def test_irrelevant_fields_change_nothing_in_the_library(
    variants: Variants, stored: dict[str, torch.Tensor], base: dict[str, Outputs], file: str
) -> None:
    """All at once; one by one only to name the one that does."""
    idle = {
        name: value
        for where, name, value in EVERY
        if where == file and FILES[file][name].use in ("irrelevant", "overruled")
    }
    # Would change what a call returns, or cannot come from a file.
    for name in ("return_dict", "use_return_dict", "compile_config"):
        idle.pop(name, None)

    def changed(fields: dict[str, Any]) -> bool:
        variants.change(file, fields)
        found = theirs(file, variants, stored)
        # Eager attention rounds differently.
        bound = CLOSE if any("attn_implementation" in name for name in fields) else 0
        return found is None or distance(found, base[file]) > bound

    if changed(idle):
        culprits = [name for name, value in idle.items() if changed({name: value})]
        raise AssertionError(f"{culprits or 'together, they'} change what the library computes")


@pytest.mark.parametrize("file", THEIRS)
def test_what_is_accepted_is_the_same_to_the_library(
    variants: Variants, stored: dict[str, torch.Tensor], base: dict[str, Outputs], file: str
) -> None:
    """Every value that a row accepts, but null where the library knows no null."""
    for name, row in FILES[file].items():
        if file == CONFIG and name in FOREIGN:
            continue
        for value in row.values if row.use == "only" else ():
            variants.change(file, {name: value})
            expected = theirs(file, variants, stored)
            if expected is None:
                assert value is None, (name, value)
                continue
            assert distance(expected, base[file]) == 0, (name, value)


@pytest.mark.parametrize("file", THEIRS)
def test_a_field_that_is_absent_is_what_the_library_takes(
    variants: Variants, stored: dict[str, torch.Tensor], file: str
) -> None:
    for name in variants.raw(file).keys() - SETTLED:
        if FILES[file][name].use == "irrelevant":
            continue
        checkpoint = variants.change(file, {name: ...})
        try:
            found = OURS[file](checkpoint)
        except CheckpointError:
            continue
        expected = theirs(file, variants, stored)
        assert expected is not None, name
        assert distance(found, expected) < CLOSE, name


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_theta": ...},
        {"rope_theta": ..., "rope_parameters": {}},
        {"rope_theta": None, "rope_parameters": {"rope_theta": 5e5}},
        {"rope_theta": ..., "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}},
        {"rope_theta": ..., "rope_scaling": {"rope_theta": 5e5, "type": "default"}},
        {"rope_scaling": {"type": "default"}, "rope_theta": 5e5},
        {"rope_parameters": {"rope_type": "default", "factor": 2.0}},
        {"rope_parameters": {"partial_rotary_factor": 1.0}},
        {"use_sliding_window": True, "sliding_window": None, "max_window_layers": 0},
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 4},
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": ...},
        {"use_sliding_window": True, "sliding_window": 2048, "max_window_layers": 0},
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0,
         "layer_types": ["full_attention"] * 4},
        {"head_dim": 32},
        {"rms_norm_eps": 1e-3, "rope_theta": 1e4, "max_position_embeddings": 64},
    ],
)  # fmt: skip
def test_the_language_model_is_transformers_own(
    variants: Variants, stored: dict[str, torch.Tensor], changes: dict[str, Any]
) -> None:
    checkpoint = variants.change(CONFIG, changes)
    expected = theirs(CONFIG, variants, stored)
    assert expected is not None
    assert distance(our_language_model(checkpoint), expected) < CLOSE


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        (CONFIG, {"num_attention_heads": 8, "num_key_value_heads": 4}),
        (TRANSFORMER, {"num_attention_heads": 6, "attention_head_dim": 16}),
        (TRANSFORMER, {"num_cross_attention_heads": 6, "cross_attention_head_dim": 16}),
        (SCHEDULER, {"flow_shift": 2.0, "num_train_timesteps": 600}),
    ],
)
def test_what_the_tensors_cannot_tell_is_followed(
    variants: Variants,
    stored: dict[str, torch.Tensor],
    base: dict[str, Outputs],
    file: str,
    changes: dict[str, Any],
) -> None:
    checkpoint = variants.change(file, changes)
    expected = theirs(file, variants, stored)
    assert expected is not None
    assert distance(OURS[file](checkpoint), expected) < CLOSE
    assert distance(expected, base[file]) > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0},
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 3},
        {"use_sliding_window": True, "sliding_window": 8, "layer_types": ["sliding_attention"] * 4},
    ],
)
def test_a_window_changes_what_transformers_computes(
    variants: Variants,
    stored: dict[str, torch.Tensor],
    base: dict[str, Outputs],
    changes: dict[str, Any],
) -> None:
    checkpoint = variants.change(CONFIG, changes)
    with pytest.raises(CheckpointError, match="sliding_window"):
        our_language_model(checkpoint)
    expected = theirs(CONFIG, variants, stored)
    assert expected is not None
    assert distance(expected, base[CONFIG]) > 0.01


def test_both_solvers_follow_the_raw_file(
    variants: Variants, stored: dict[str, torch.Tensor]
) -> None:
    checkpoint = variants.change(SCHEDULER, {"flow_shift": 5.0, "num_train_timesteps": 400})
    expected = theirs(SCHEDULER, variants, stored)
    assert expected is not None
    for solver in (NumpySolver, DiffusersSolver):
        assert distance(our_schedule(checkpoint, solver), expected) < CLOSE


def test_the_end_tokens_are_those_that_transformers_reads(variants: Variants) -> None:
    from transformers import GenerationConfig

    checkpoint = variants.change(GENERATION, {"eos_token_id": [5, 7]})
    read = GenerationConfig.from_pretrained(variants.folder).eos_token_id
    assert read == [5, 7]
    stops = recipe.build(
        checkpoint.model, tokenizer_files.special_ids(checkpoint.path)
    ).text.stop_token_ids
    assert stops == (5, 7, 508)
