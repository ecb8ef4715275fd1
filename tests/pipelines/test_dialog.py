"""Dialogs about a picture: what is read, what is kept, and that neither changes an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.errors import UsageError
from mobileo_export.pipelines import answer, generate
from mobileo_export.pipelines.answer import Answer, Chat, Sampling
from mobileo_export.pipelines.dialog import VisualDialog
from mobileo_export.pipelines.model import Event, Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUESTIONS = ("what color is the shape?", "and what shape is it?", "is it large?")


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (30, 20, 3), np.uint8)


class Counted:
    """A language model that keeps count of what it reads and writes."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: list[str] = []

    def prefill(self, input_ids: Any, image_features: Any = None) -> Any:
        self.calls.append(f"prefill {input_ids.shape[1]}")
        return self._inner.prefill(input_ids, image_features)

    def step(self, token_id: int) -> Any:
        self.calls.append("step")
        return self._inner.step(token_id)

    def run(self, inputs: Any) -> Any:
        return self._inner.run(inputs)

    def beside(self) -> Counted:
        beside = Counted(self._inner.beside())
        beside.calls = self.calls
        return beside

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture(params=[False, True], ids=["alone", "kept"])
def counted(artifacts: Model, request: pytest.FixtureRequest) -> tuple[Model, Counted]:
    """The tiny model, whose sessions are its own or shared with everybody."""
    with artifacts.language_model() as llm:
        session = Counted(llm.beside())

    def opened(name: str) -> Any:
        return session if name == "llm" else artifacts.open_component(name)

    model = replace(artifacts, open_component=opened, keep=request.param, _sessions={})
    return model, session


def whole(model: Model, photo: NDArray[np.uint8], turns: list[str], how: Sampling) -> Answer:
    """The answer to the last of ``turns``, everything read from the beginning."""
    tokens = model.recipe.preprocessing.num_tokens
    prompt = model.prompter.ask(turns, answer.room(model, how), tokens)
    return answer.respond(model, prompt, generate.see(model, photo), how)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_further_question_costs_its_own_tokens(
    counted: tuple[Model, Counted], photo: NDArray[np.uint8], temperature: float
) -> None:
    """And is answered as if all had been read anew."""
    model, session = counted
    how = Sampling.of(model.recipe, temperature, 0.95, 8, seed=3)
    kept = 0
    with VisualDialog(model, photo, how) as dialog:
        for number, question in enumerate(QUESTIONS):
            before, turns = list(session.calls), [*dialog.turns, question]
            said = dialog.ask(question)
            calls = session.calls[len(before) :]
            expected = whole(model, photo, turns, how)
            assert (said.token_ids, said.text) == (expected.token_ids, expected.text)
            assert np.array_equal(said.input_ids, expected.input_ids)
            assert dialog.turns == [*turns, said.text]
            if number == 0:
                assert calls[0] == f"prefill {said.input_ids.shape[1]}"
            elif calls[0] == "step":  # else what was sampled is written in other tokens
                kept += 1
                assert len(calls) < said.input_ids.shape[1] / 2 + len(said.token_ids)
                assert not any(call.startswith("prefill") for call in calls)
    assert kept > 0 or temperature
    assert session.calls[-1] == "close"


def test_the_picture_is_seen_once(counted: tuple[Model, Counted], photo: NDArray[np.uint8]) -> None:
    model, _ = counted
    events: list[Event] = []
    with VisualDialog(model, photo, Sampling.of(model.recipe, max_new_tokens=2)) as dialog:
        for question in QUESTIONS:
            dialog.ask(question, observe=events.append)
        dialog.close()
        dialog.ask("and now?", observe=events.append)
    assert [event.stage for event in events].count("vision_encoder") == 1
    assert [event.stage for event in events].count("llm") >= 2


def test_what_is_closed_is_read_anew(
    counted: tuple[Model, Counted], photo: NDArray[np.uint8]
) -> None:
    model, session = counted
    how = Sampling.of(model.recipe, max_new_tokens=4)
    answers = []
    for closes in (False, True):
        with VisualDialog(model, photo, how) as dialog:
            for question in QUESTIONS:
                answers.append(dialog.ask(question).token_ids)
                if closes:
                    dialog.close()
                    dialog.close()
    assert answers[:3] == answers[3:]
    assert sum(call.startswith("prefill") for call in session.calls) >= 4


def test_what_fails_leaves_the_dialog_as_it_was(
    counted: tuple[Model, Counted], photo: NDArray[np.uint8]
) -> None:
    model, session = counted
    how = Sampling.of(model.recipe, max_new_tokens=4)

    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    with VisualDialog(model, photo, how) as dialog:
        said = dialog.ask(QUESTIONS[0])
        before = list(dialog.turns)
        with pytest.raises(UsageError, match="the question is empty"):
            dialog.ask(" ")
        assert dialog.turns == before == [QUESTIONS[0], said.text]
        with pytest.raises(KeyboardInterrupt):
            dialog.ask(QUESTIONS[1], interrupted)
        assert dialog.turns == before
        count = len(session.calls)
        expected = whole(model, photo, [*before, QUESTIONS[1]], how)
        session.calls = session.calls[:count]
        assert dialog.ask(QUESTIONS[1]).token_ids == expected.token_ids


def test_nobody_elses_prompt_comes_between(artifacts: Model, photo: NDArray[np.uint8]) -> None:
    """Where a model keeps its sessions, others are given the same one."""
    assert artifacts.keep
    how = Sampling.of(artifacts.recipe, max_new_tokens=4)
    with VisualDialog(artifacts, photo, how) as dialog:
        dialog.ask(QUESTIONS[0])
        turns = [*dialog.turns, QUESTIONS[1]]
        Chat(artifacts, how).send("hello")
        said = dialog.ask(QUESTIONS[1])
        assert said.token_ids == whole(artifacts, photo, turns, how).token_ids


def test_the_oldest_exchanges_go_and_the_picture_stays(
    artifacts: Model, photo: NDArray[np.uint8]
) -> None:
    """Where positions run out."""
    how = Sampling.of(artifacts.recipe, max_new_tokens=3)
    tokens = artifacts.recipe.preprocessing.num_tokens
    image = artifacts.recipe.text.image_token_id
    long = "why and how " * (answer.room(artifacts, how) // 9)
    cuts = []
    with VisualDialog(artifacts, photo, how) as dialog:
        for number in range(5):
            turns = [*dialog.turns, f"{number} {long}"]
            said = dialog.ask(turns[-1])
            cuts.append(said.cut)
            assert said.input_ids.shape[1] - 1 + tokens + 3 <= artifacts.longest_text
            assert said.input_ids[0].tolist().count(image) == 1
            assert said.token_ids == whole(artifacts, photo, turns, how).token_ids
    assert cuts[0] == 0 < cuts[-1]
