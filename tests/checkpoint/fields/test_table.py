"""The tables of fields, row by row: what another value of each comes to."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.checkpoint import diffusion_config
from mobileo_export.checkpoint.fields import FILES, check
from mobileo_export.checkpoint.fields.table import only, overruled, same, shown
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import CheckpointError
from mobileo_export.inspection import describe
from tests import surgery
from tests.checkpoint.fields.values import EVERY, VALUES
from tests.checkpoint.fields.variants import Variants, allowed

if TYPE_CHECKING:
    from pathlib import Path


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
        variants.model("config.json", hidden_act="gelu")
    assert str(caught.value) == (
        f'{variants.folder}: config.json: hidden_act is "gelu"; only "silu" or "swish" is '
        "supported: every layer would use another activation; if the weights know nothing of it, "
        'correct hidden_act to "silu"'
    )


def test_an_overruled_field_is_said(variants: Variants) -> None:
    found = variants.model("generation_config.json", repetition_penalty=1.1)
    assert found.warnings == (
        "generation_config.json: repetition_penalty 1.1 is not applied: the recipe takes the most "
        "probable token of the scores as they are",
    )


@pytest.mark.parametrize("file", FILES)
def test_an_unknown_field_is_a_warning(variants: Variants, file: str) -> None:
    (warning,) = variants.model(file, brand_new_field=3).warnings
    assert 'field "brand_new_field" is unknown and was not used' in warning
    assert file.rpartition("/")[2] in warning


def test_an_unknown_field_is_shown_by_inspect(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    surgery.configure(folder, {"brand_new_field": 3})
    checkpoint = Checkpoint.open(folder)
    assert "brand_new_field" in describe.inspect_checkpoint(checkpoint)["warnings"][0]
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
