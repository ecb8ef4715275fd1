from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobileo_export import assets, recipe
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, SEQUENCE
from mobileo_export.errors import UsageError
from mobileo_export.parity import cases as inputs
from mobileo_export.parity import pictures
from mobileo_export.parity.references import References
from mobileo_export.pipelines import images
from mobileo_export.runtimes.signature import check_inputs


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_cases_fit_the_signature_and_their_names(
    references: References, checkpoint: Checkpoint, component: str
) -> None:
    cases = references.cases(component)
    for case in cases:
        check_inputs(COMPONENTS[component].inputs(checkpoint.model), case.inputs)
    proper = tuple(case.name for case in cases if case.changes is None)
    assert proper == inputs.case_names(component)
    assert len(set(proper)) == len(proper)


def test_both_ends_of_the_sequence_and_of_time_are_there(references: References) -> None:
    cases = references.cases("dit")
    lengths = {case.inputs["encoder_hidden_states"].shape[1] for case in cases}
    assert {SEQUENCE.low, SEQUENCE.high, SEQUENCE.default} <= lengths
    assert len(lengths) >= 5
    assert {int(case.inputs["timestep"][0]) for case in cases} >= {999, 499, 136, 1}
    masks = [case.inputs["encoder_attention_mask"] for case in cases]
    assert any(mask.all() for mask in masks)
    assert any(mask.any() and not mask.all() for mask in masks)


def test_conditioning_is_what_the_projector_made(references: References) -> None:
    made = {run.case.name: run.outputs["conditioning"] for run in references.runs("mcp")}
    (case,) = (case for case in references.cases("dit") if case.name == "t=499, edit")
    assert case.inputs["encoder_hidden_states"] is made["edit"]


def test_the_prompt_follows_the_recipe(references: References, checkpoint: Checkpoint) -> None:
    special = tokenizer_files.special_ids(checkpoint.path)
    cases = {case.name: case.inputs["input_ids"] for case in references.cases("llm")}
    assert (cases["prompt"] == special.im_start_id).sum() == 3
    assert (cases["prompt"] == special.im_end_id).sum() == 2
    assert (cases["prompt"] == special.image_token_id).sum() == 0
    assert (cases["edit"] == special.image_token_id).sum() == 1


def test_each_control_changes_one_input(references: References) -> None:
    cases = {case.name: case for case in references.cases("dit")}
    changed = [case for case in cases.values() if case.changes is not None]
    assert [case.changes[1] for case in changed if case.changes] == list(
        cases["t=499, edit"].inputs
    )
    for case in changed:
        assert case.changes is not None
        base = cases[case.changes[0]].inputs
        differing = [name for name in base if not np.array_equal(base[name], case.inputs[name])]
        assert differing == [case.changes[1]]


def test_a_reference_runs_once_a_case(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    references = References(
        checkpoint, "released", lambda event: ran.append(f"{event.job} {event.done}")
    )
    references.runs("mcp")
    first = len(ran)
    again = references.runs("mcp", ("prompt",))
    assert len(ran) == first
    assert [run.case.name for run in again] == ["prompt"]
    assert [line for line in ran if line.startswith("vision")] == [
        "vision_encoder 0",
        "vision_encoder 1",
    ]


def test_cases_are_the_same_every_time(checkpoint: Checkpoint, references: References) -> None:
    for case, again in zip(
        references.cases("mcp"), References(checkpoint, "released").cases("mcp"), strict=True
    ):
        for name, array in case.inputs.items():
            found: Any = array
            other: Any = again.inputs[name]
            np.testing.assert_allclose(found, other, rtol=1e-5, atol=1e-5)


def test_without_a_fast_tokenizer_the_slow_one_gives_the_same_ids(tiny_copy: Path) -> None:
    text = "Please draw a red bicycle <image>\n<|im_end|>"
    fast = inputs._encoder(tiny_copy)(text)
    (tiny_copy / tokenizer_files.FAST).unlink()
    assert np.array_equal(inputs._encoder(tiny_copy)(text), fast)


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_the_drawn_picture_has_flat_parts_edges_and_slopes(size: int) -> None:
    picture = pictures.drawn(size)
    assert picture.shape == (3, size, size)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < 0.1
    assert 0.9 < picture.max() <= 1
    steps = np.abs(np.diff(picture, axis=-1))
    assert (steps == 0).mean() > 0.2
    assert (steps > 0.5).sum() > size / 8


def test_a_photograph_is_padded_and_resized(checkpoint: Checkpoint) -> None:
    numbers = recipe.build(checkpoint.model, tokenizer_files.special_ids(checkpoint.path))
    size = numbers.preprocessing.image_size
    pixels = np.full((100, 200, 3), (255, 0, 51), np.uint8)
    picture = images.prepare(pixels, numbers.preprocessing)
    assert picture.shape == (3, size, size)
    assert picture[:, size // 2, size // 2] == pytest.approx([1, 0, 0.2])
    assert picture[:, size // 8, size // 2] == pytest.approx([0, 0, 0])
    square = Image.fromarray(pixels[:, :100]).resize((size, size), Image.Resampling.BICUBIC)
    expected = np.asarray(square, np.float32).transpose(2, 0, 1) / 255
    assert np.allclose(images.prepare(pixels[:, :100], numbers.preprocessing), expected)


def test_the_photographs_are_always_there(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)  # it had them, and is no requirement
    made = [case.name for case in inputs.cases("vision_encoder", checkpoint, {})]
    assert made == ["drawn", "noise", "cat", "coffee"]
    assert tuple(made) == inputs.case_names("vision_encoder")
    monkeypatch.setattr(assets, "__file__", str(checkpoint.path / "assets.py"))
    with pytest.raises(UsageError, match=r"photographs/cat.jpg: the photograph is not installed"):
        list(inputs.cases("vision_encoder", checkpoint, {}))


@pytest.mark.parametrize(
    ("name", "shape", "digest"),
    [
        ("cat", (300, 300, 3), "50c412081b8f0cbdda5e5bfd71f0945442a003b1a60621da970067ffefb945e9"),
        (
            "coffee",
            (400, 600, 3),
            "2e93bf834fb438a91002428e6cbff940085edb1aaa7109fd0953ad2825f22c0c",
        ),
    ],
)
def test_a_photograph_is_the_same_pixels_everywhere(
    name: str, shape: tuple[int, ...], digest: str
) -> None:
    path = assets.photograph(name)
    assert path.stat().st_size <= 60_000
    pixels = images.read(path)
    assert pixels.shape == shape
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == digest
    text = (path.parent / "README.md").read_text()
    assert f"`{path.name}`" in text
    assert "CC0 1.0" in text
