"""The four pipelines over a jetson bundle, against the checkpoint on torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.parity import metrics, pictures
from mobileo_export.pipelines import answer, generate
from mobileo_export.pipelines.answer import Chat, Sampling
from mobileo_export.pipelines.drawing import Drawing, condition, denoise
from mobileo_export.pipelines.model import Event, Model, open_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

STEPS = 3


@pytest.fixture(scope="module")
def jetson(tiny_jetson: Path) -> Iterator[Model]:
    with open_model(str(tiny_jetson), keep=True) as model:
        yield model


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    drawn = np.rint(pictures.drawn(97) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(drawn[:61])


def close(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    return metrics.compare(expected, found, "image").psnr > 90


def test_draws_the_same_picture(jetson: Model, reference: Model) -> None:
    drawings = [
        generate.generate(model, "a red square", Drawing.of(model.recipe, STEPS, seed=4))
        for model in (jetson, reference)
    ]
    assert close(drawings[0].image, drawings[1].image)
    assert np.array_equal(drawings[0].input_ids, drawings[1].input_ids)


def test_edits_the_same_picture(jetson: Model, reference: Model, photo: NDArray[np.uint8]) -> None:
    drawings = [
        generate.edit(model, photo, "make it blue", Drawing.of(model.recipe, 2, seed=4))
        for model in (jetson, reference)
    ]
    assert close(drawings[0].image, drawings[1].image)


def test_answers_token_for_token(jetson: Model, reference: Model, photo: NDArray[np.uint8]) -> None:
    for temperature in (0.0, 0.8):
        how = Sampling.of(jetson.recipe, temperature, 1.0, 12, seed=3)
        found, expected = (
            answer.ask(model, photo, "What is this?", how) for model in (jetson, reference)
        )
        assert found.token_ids == expected.token_ids
        assert found.token_ids


def test_converses_token_for_token(jetson: Model, reference: Model) -> None:
    talks = [Chat(model, Sampling.of(jetson.recipe, 0.0, 1.0, 6)) for model in (jetson, reference)]
    for message in ("Name a color.", "And another?"):
        found, expected = (chat.send(message) for chat in talks)
        assert found.token_ids == expected.token_ids
    assert talks[0].turns == talks[1].turns


def test_both_branches_are_one_call(jetson: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever listens hears of each branch what it would have heard of two calls."""
    hidden = np.random.default_rng(0).standard_normal((1, 4, 9, 128), dtype=np.float32)
    drawing = Drawing.of(jetson.recipe, 2, 2.0)
    conditioning = condition(jetson, hidden, True)
    seen: dict[int, list[Event]] = {1: [], 2: []}
    latents = {}
    calls: list[int] = []
    with jetson.session("dit") as dit:
        run = dit.run

        def counted(inputs: Any) -> Any:
            calls.append(len(inputs["latent"]))
            return run(inputs)

        monkeypatch.setattr(type(dit), "run", lambda self, inputs: counted(inputs))
        for rows, events in seen.items():
            monkeypatch.setattr(Model, "rows", lambda self, name, rows=rows: rows)
            latents[rows] = denoise(jetson, conditioning, drawing, observe=events.append)
    assert calls == [1, 1, 1, 1, 2, 2]
    assert np.allclose(latents[1], latents[2], atol=1e-4)
    for one, both in zip(seen[1], seen[2], strict=True):
        assert (one.stage, one.branch, one.step) == (both.stage, both.branch, both.step)
        assert {n: a.shape for n, a in one.arrays.items()} == {
            n: a.shape for n, a in both.arrays.items()
        }


def test_lengths_end_where_the_board_does(jetson: Model) -> None:
    assert jetson.longest_text == 1024
    assert jetson.rows("dit") == 2
    assert jetson.longest_conditioning == 768
