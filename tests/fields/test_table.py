"""The tables of fields, row by row: what another value of each comes to."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import diffusion_config, inspection
from mobileo_export.checkpoint import Checkpoint
from mobileo_export.errors import CheckpointError
from mobileo_export.fields import FILES, check
from mobileo_export.fields.table import only, overruled, same, shown
from tests import surgery

from .values import EVERY, VALUES
from .variants import Variants, allowed

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.model_config import ModelConfig


def model(variants: Variants, file: str = "config.json", **changes: Any) -> ModelConfig:
    return variants.change(file, changes).model


# --- the whole table


@pytest.mark.parametrize("file", FILES)
def test_every_row_has_another_value_to_try(file: str) -> None:
    assert VALUES[file].keys() == FILES[file].keys()


@pytest.mark.parametrize("file", FILES)
def test_every_row_says_why(file: str) -> None:
    for name, row in FILES[file].items():
        assert row.why, name
        assert bool(row.values) == (row.use in ("only", "overruled")), name


@pytest.mark.parametrize(
    ("file", "name", "value"), EVERY, ids=[f"{file}-{name}-{shown(v)}" for file, name, v in EVERY]
)
def test_a_value_comes_to_what_its_row_says(
    variants: Variants, file: str, name: str, value: Any
) -> None:
    assert variants.outcome(file, name, value) in allowed(file, name)


@pytest.mark.parametrize("file", FILES)
def test_what_is_accepted_changes_nothing(variants: Variants, file: str) -> None:
    for name, row in FILES[file].items():
        for value in row.values:
            assert variants.outcome(file, name, value) == "same", (name, value)


def test_the_checkpoints_we_write_need_no_warning(variants: Variants) -> None:
    assert variants.base.model.warnings == ()
    for file in FILES:
        assert variants.raw(file).keys() <= FILES[file].keys()


def test_a_diffusers_configuration_is_saved_with_what_it_would_otherwise_lack(
    tmp_path: Path,
) -> None:
    for config in diffusion_config.KNOWN.values():
        diffusion_config.save(config, tmp_path)
        for file in (file for file in FILES if "/" in file):
            content = json.loads((tmp_path / file).read_text())
            assert check(file, content, FILES[file]) == []
            assert content["_class_name"]


# --- how a refusal, a warning and an unknown field read


def test_a_refusal_says_what_and_why_and_what_to_do(variants: Variants) -> None:
    with pytest.raises(CheckpointError) as caught:
        model(variants, hidden_act="gelu")
    assert str(caught.value) == (
        f'{variants.folder}: config.json: hidden_act is "gelu"; only "silu" or "swish" is '
        "supported: every layer would use another activation; if the weights know nothing of it, "
        'correct hidden_act to "silu"'
    )


def test_an_overruled_field_is_said(variants: Variants) -> None:
    found = model(variants, "generation_config.json", repetition_penalty=1.1)
    assert found.warnings == (
        "generation_config.json: repetition_penalty 1.1 is not applied: the recipe takes the most "
        "probable token of the scores as they are",
    )


@pytest.mark.parametrize("file", FILES)
def test_an_unknown_field_is_a_warning(variants: Variants, file: str) -> None:
    (warning,) = model(variants, file, brand_new_field=3).warnings
    assert 'field "brand_new_field" is unknown and was not used' in warning
    assert file.rpartition("/")[2] in warning


def test_an_unknown_field_is_shown_by_inspect(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    surgery.configure(folder, {"brand_new_field": 3})
    checkpoint = Checkpoint.open(folder)
    assert "brand_new_field" in inspection.inspect_checkpoint(checkpoint)["warnings"][0]
    assert "brand_new_field" in checkpoint.model.stated()["warnings"][0]


def test_many_unknown_fields_are_counted() -> None:
    warnings = check("x.json", {f"field {n}\n\x1b[0m": n for n in range(5000)}, {})
    assert len(warnings) == 9
    assert warnings[-1] == "x.json: 4992 more fields are unknown"
    assert all(line.isprintable() for line in warnings)


def test_a_long_value_is_cut() -> None:
    assert len(shown(["x" * 10_000])) == 80


@pytest.mark.parametrize(
    ("value", "wanted", "equal"),
    [
        (1, True, False),
        (False, 0, False),
        (1, 1.0, True),
        (None, False, False),
        ([0, 0], [0.0, 0.0], True),
        ([0], [False], False),
        ([1], [1, 1], False),
        ("1", 1, False),
        ({}, {}, True),
    ],
)
def test_values_are_compared_as_json_has_them(value: Any, wanted: Any, equal: bool) -> None:
    assert same(value, wanted) is equal


def test_one_value_or_one_a_block() -> None:
    table = {"norms": only("others", "rms", per_block=True), "plain": only("others", "rms")}
    assert check("x", {"norms": ["rms", "rms"]}, table) == []
    wrong: tuple[dict[str, Any], ...] = (
        {"norms": ["rms", "x"]},
        {"norms": []},
        {"plain": ["rms"]},
    )
    for refused in wrong:
        with pytest.raises(CheckpointError, match="only"):
            check("x", refused, table)


def test_overruled_takes_one_value_or_several() -> None:
    rows = overruled("because", one=1.0, two=(0, None))
    assert check("x", {"one": 1, "two": None}, rows) == []
    assert len(check("x", {"one": 2, "two": 5}, rows)) == 2


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
    found = model(variants, **changes)
    assert found.llm.rope_theta == theta
    assert len(found.warnings) == (theta == 1e4)
    if found.warnings:
        assert "no rope_theta; 10000 is taken, as transformers does" in found.warnings[0]


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
        model(variants, **changes)


def test_a_stray_part_of_the_rotary_embedding_is_a_warning(variants: Variants) -> None:
    (warning,) = model(variants, rope_parameters={"rope_type": "default", "factor": 2.0}).warnings
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
    assert model(variants, **changes) == variants.base.model


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
        model(variants, **changes)


# --- other fields that are read by a rule


@pytest.mark.parametrize("value", [32, None])
def test_the_head_dim_that_follows_anyway_is_taken(variants: Variants, value: Any) -> None:
    assert model(variants, head_dim=value) == variants.base.model


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head_dim": 64}, "head_dim is 64, but hidden_size 128 makes 4 heads of 32"),
        ({"head_dim": 32.0}, "head_dim is 32.0, expected a positive integer"),
        ({"tie_word_embeddings": "false"}, 'tie_word_embeddings is "false", expected true or'),
        ({"vocab_size": "512"}, 'vocab_size is "512", expected a positive integer'),
        ({"mm_hidden_size": 3072}, "mm_hidden_size 3072, the vision tower gives 256 channels"),
        ({"mm_hidden_size": "256"}, 'mm_hidden_size is "256", expected a positive integer'),
        ({"rms_norm_eps": [1e-6]}, "rms_norm_eps is .* expected a positive number"),
        ({"use_cache": ..., "mm_use_im_start_end": 0}, "mm_use_im_start_end is 0; only false"),
    ],
)
def test_a_field_that_contradicts_is_refused(
    variants: Variants, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"config.json.*{message}"):
        model(variants, **changes)


def test_photographs_are_padded_where_nothing_is_said(variants: Variants) -> None:
    (warning,) = model(variants, image_aspect_ratio=...).warnings
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
        model(variants, file, eos_token_id=value)


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
        model(variants, **changes)
