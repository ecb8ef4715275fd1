"""Fields that are read by a rule: several places, other fields or the tensors decide with them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import CheckpointError
from tests import surgery

if TYPE_CHECKING:
    from pathlib import Path

    from tests.checkpoint.fields.variants import Variants


# --- the base of the rotary embedding


@pytest.mark.parametrize(
    ("changes", "theta"),
    [
        ({}, 1e6),
        ({"rope_theta": ...}, 1e4),
        ({"rope_theta": ..., "rope_parameters": {}}, 1e4),
        ({"rope_theta": ..., "rope_parameters": {"rope_type": "default"}}, 1e4),
        ({"rope_theta": ..., "rope_parameters": {"rope_theta": 5e5}}, 5e5),
        ({"rope_theta": None, "rope_parameters": {"rope_theta": 5e5}}, 5e5),
        ({"rope_theta": None, "rope_scaling": {"type": "default", "rope_theta": 5e5}}, 5e5),
        ({"rope_parameters": {"rope_theta": None}}, 1e6),
        ({"rope_parameters": {"rope_theta": 1000000, "rope_type": "default"}}, 1e6),
        ({"rope_parameters": {"rope_theta": 1e6}, "rope_scaling": {"rope_theta": 1e6}}, 1e6),
        ({"rope_scaling": {"type": "default"}}, 1e6),
        ({"rope_scaling": None, "rope_parameters": None}, 1e6),
        ({"rope_parameters": {"partial_rotary_factor": 1.0}}, 1e6),
    ],
)
def test_the_rotary_base_is_found(
    variants: Variants, changes: dict[str, Any], theta: float
) -> None:
    found = variants.model("config.json", **changes)
    assert found.llm.rope_theta == theta
    assert len(found.warnings) == (theta == 1e4)
    if found.warnings:
        assert "no rope_theta; 10,000 is taken, as transformers does" in found.warnings[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rope_parameters": {"rope_theta": 5e5}},
            r"rope_theta is 1000000.0, but rope_parameters.rope_theta is 500000.0",
        ),
        (
            {
                "rope_theta": None,
                "rope_parameters": {"rope_theta": 5e5},
                "rope_scaling": {"rope_theta": 4e5},
            },
            r"rope_parameters.rope_theta is 500000.0, but rope_scaling.rope_theta is 400000.0",
        ),
        ({"rope_theta": None}, "rope_theta is null, expected a positive number"),
        ({"rope_theta": None, "rope_parameters": {"rope_type": "default"}}, "rope_theta is null"),
        (
            {"rope_theta": ..., "rope_parameters": {"rope_theta": None}},
            "rope_parameters.rope_theta is null, expected a positive number",
        ),
        ({"rope_parameters": {"rope_theta": "1e6"}}, 'rope_parameters.rope_theta is "1e6"'),
        ({"rope_parameters": {"rope_type": "yarn"}}, 'rope_parameters.rope_type is "yarn"; only'),
        ({"rope_scaling": {"type": "mrope"}}, 'rope_scaling.type is "mrope"; only "default"'),
        ({"rope_parameters": {"rope_type": None}}, "rope_parameters.rope_type is null; only"),
        (
            {"rope_parameters": {"partial_rotary_factor": 0.5}},
            "rope_parameters.partial_rotary_factor is 0.5; only 1.0",
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_theta": 1e6}}},
            "rope_parameters.full_attention is .* kinds of layers",
        ),
        ({"rope_parameters": []}, r"rope_parameters is \[\], expected an object"),
        ({"rope_scaling": "yarn"}, 'rope_scaling is "yarn", expected an object'),
    ],
)
def test_another_rotary_embedding_is_refused(
    variants: Variants, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"config.json: {message}"):
        variants.model("config.json", **changes)


def test_a_stray_part_of_the_rotary_embedding_is_a_warning(variants: Variants) -> None:
    (warning,) = variants.model(
        "config.json", rope_parameters={"rope_type": "default", "factor": 2.0}
    ).warnings
    assert 'field "rope_parameters.factor" is unknown' in warning


# --- layers that see a window


@pytest.mark.parametrize(
    "changes",
    [
        {"use_sliding_window": False, "sliding_window": 8, "max_window_layers": 0},
        {"use_sliding_window": None, "sliding_window": 8, "max_window_layers": 0},
        {"use_sliding_window": True, "sliding_window": None, "max_window_layers": 0},
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 4},
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": ...},
        {"use_sliding_window": True, "sliding_window": 2048, "max_window_layers": 0},
        {"use_sliding_window": True, "sliding_window": ..., "max_window_layers": 0},
        {
            "use_sliding_window": True,
            "sliding_window": 8,
            "max_window_layers": 0,
            "layer_types": ["full_attention", "attention"] * 2,
        },
    ],
)
def test_layers_that_see_everything_are_taken(variants: Variants, changes: dict[str, Any]) -> None:
    assert variants.model("config.json", **changes) == variants.base.model


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2},
            "use_sliding_window is true, so that layer 2 would see 8 of up to 2048",
        ),
        (
            {"use_sliding_window": True, "sliding_window": 2047, "max_window_layers": 0},
            "layer 0 would see 2047 of up to 2048 positions",
        ),
        (
            {"layer_types": ["full_attention"] * 3 + ["sliding_attention"]},
            "layer_types is .* layer 3 would see a window only",
        ),
        ({"layer_types": ["full_attention"] * 5}, "layer_types has 5 entries for 4 layers"),
        ({"layer_types": ["linear_attention"] * 4}, "layer_types is .* expected a list of"),
        ({"layer_types": "full_attention"}, "layer_types is .* expected a list of"),
        ({"layer_types": [["full_attention"]] * 4}, "layer_types is .* expected a list of"),
        ({"use_sliding_window": "yes"}, 'use_sliding_window is "yes", expected true or false'),
        ({"sliding_window": "8"}, 'sliding_window is "8", expected a positive integer'),
        ({"max_window_layers": None}, "max_window_layers is null, expected a number of layers"),
        ({"max_window_layers": -1}, "max_window_layers is -1, expected a number of layers"),
    ],
)
def test_layers_that_see_a_window_are_refused(
    variants: Variants, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"config.json: .*{message}"):
        variants.model("config.json", **changes)


# --- other fields that are read by a rule


@pytest.mark.parametrize("value", [32, None])
def test_the_head_dim_that_follows_anyway_is_taken(variants: Variants, value: Any) -> None:
    assert variants.model("config.json", head_dim=value) == variants.base.model


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head_dim": 64}, "head_dim is 64, but hidden_size 128 makes 4 heads of 32"),
        ({"head_dim": 32.0}, "head_dim is 32.0, expected a positive integer"),
        ({"tie_word_embeddings": "false"}, 'tie_word_embeddings is "false", expected true or'),
        ({"vocab_size": "512"}, 'vocab_size is "512", expected a positive integer'),
        ({"mm_hidden_size": 3072}, "mm_hidden_size 3072, the vision tower gives 256 channels"),
        ({"mm_hidden_size": "256"}, 'mm_hidden_size is "256", expected a positive integer'),
        ({"mobileo_export": True}, "mobileo_export is true, expected an object"),
        ({"mobileo_export": {"random_weights": 1}}, "mobileo_export is .*, expected an object"),
        ({"vlm_num_layers": "4"}, 'vlm_num_layers is "4", expected a positive integer'),
        ({"rms_norm_eps": [1e-6]}, "rms_norm_eps is .* expected a positive number"),
        ({"use_cache": ..., "mm_use_im_start_end": 0}, "mm_use_im_start_end is 0; only false"),
    ],
)
def test_a_field_that_contradicts_is_refused(
    variants: Variants, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"config.json.*{message}"):
        variants.model("config.json", **changes)


def test_photographs_are_padded_where_nothing_is_said(variants: Variants) -> None:
    (warning,) = variants.model("config.json", image_aspect_ratio=...).warnings
    assert "no image_aspect_ratio" in warning


@pytest.mark.parametrize(
    ("config", "generation", "expected"),
    [
        (508, [508, 506], (506, 508)),
        (508, None, (508,)),
        (None, 7, (7,)),
        ([7, 8], [8, 9], (7, 8, 9)),
        (..., ..., ()),
        (508, [], (508,)),
    ],
)
def test_end_tokens_of_both_files(
    variants: Variants, config: Any, generation: Any, expected: tuple[int, ...]
) -> None:
    variants.change("generation_config.json", {"eos_token_id": generation})
    surgery.configure(variants.folder, {"eos_token_id": config})
    try:
        assert variants.open().model.end_token_ids == expected
    finally:
        surgery.configure(variants.folder, {"eos_token_id": 508})


def test_a_checkpoint_without_generation_config(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    (folder / "generation_config.json").unlink()
    assert Checkpoint.open(folder).model.end_token_ids == (508,)


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
@pytest.mark.parametrize("value", [-1, 512, [5, 999], "508", [None], [[508]], True, 508.0, {}])
def test_a_token_that_cannot_be_is_refused(variants: Variants, file: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=rf"{file}: eos_token_id is .*, expected ids below"):
        variants.model(file, eos_token_id=value)


@pytest.mark.parametrize("file", ["generation_config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_file_that_is_no_object_is_refused(
    tiny_checkpoint: Path, tmp_path: Path, file: str, content: bytes
) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{file}: (cannot be read|holds no JSON object)"):
        Checkpoint.open(folder).model  # noqa: B018


@pytest.mark.parametrize("name", ["text_config", "vision_config"])
def test_a_nested_configuration_is_explained_before_anything_is_missed(
    variants: Variants, name: str
) -> None:
    fields = ("diffusion_name_or_path", "num_hidden_layers", "hidden_size")
    changes: dict[str, Any] = {name: {"hidden_size": 128}, **dict.fromkeys(fields, ...)}
    with pytest.raises(
        CheckpointError, match=rf"config.json: {name} is .*would stand in it, as in"
    ):
        variants.model("config.json", **changes)
