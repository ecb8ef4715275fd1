"""The judged items: reproducible, held out, and such that a perfect model is judged perfect."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from miniature import lessons
from mobileo_export.errors import UsageError
from mobileo_export.evaluation import judge, run, scenes
from mobileo_export.evaluation.items import CATEGORIES, Item, items
from mobileo_export.evaluation.requirements import failures
from mobileo_export.evaluation.scenes import Scene
from mobileo_export.pipelines.model import open_model

EVERY = [(suite, category) for suite, names in CATEGORIES.items() for category in names]


@pytest.mark.parametrize(("suite", "category"), EVERY)
def test_items_are_reproducible(suite: str, category: str) -> None:
    first = items(suite, category, 12, seed=3)  # type: ignore[arg-type]
    assert len(first) == 12
    assert first == items(suite, category, 12, seed=3)  # type: ignore[arg-type]
    assert first[:5] == items(suite, category, 5, seed=3)  # type: ignore[arg-type]
    assert first != items(suite, category, 12, seed=4)  # type: ignore[arg-type]
    assert {item.category for item in first} == {category}


def shows(item: Item) -> Scene:
    """A scene that is what the item wants."""
    assert item.wanted is not None
    for attempt in range(200_000):
        scene = lessons.sample(random.Random(attempt))
        if len(scene.things) == len(item.wanted.things) and not failures(
            item.wanted, judge.look(scenes.draw(scene))
        ):
            return scene
    raise AssertionError(item)


@pytest.mark.parametrize("category", CATEGORIES["draw"])
def test_what_a_prompt_asks_for_is_held_out(category: str) -> None:
    (item,) = items("draw", category, 1, seed=0)
    assert lessons.held_out(shows(item))


@pytest.mark.parametrize("category", CATEGORIES["edit"])
def test_the_right_edit_is_judged_right_and_none_is_judged_wrong(category: str) -> None:
    from mobileo_export.evaluation import language

    for item in items("edit", category, 8, seed=0):
        assert item.scene is not None
        assert item.wanted is not None
        assert lessons.held_out(item.scene)
        rng = random.Random(0)
        results = [
            edit.result
            for _ in range(200)
            for edit in language.edits(item.scene, rng)
            if edit.text == item.text
        ]
        assert failures(item.wanted, judge.look(scenes.draw(results[0]))) == ()
        assert failures(item.wanted, judge.look(scenes.draw(item.scene)))


def test_questions_are_about_held_out_scenes() -> None:
    for category in CATEGORIES["ask"]:
        for item in items("ask", category, 10, seed=0):
            assert item.scene is not None
            assert lessons.held_out(item.scene)
            assert item.answer


def test_conversations_told_what_they_ask_for() -> None:
    for category in CATEGORIES["chat"]:
        for item in items("chat", category, 10, seed=0):
            word = item.answer.rstrip(".").split()[-1]
            assert any(word in said for said in item.before)
            assert word not in item.text


def test_select_takes_suites_and_categories() -> None:
    chosen = run.select(["draw/counting", "chat"], 2, seed=0)
    assert [(i.suite, i.category) for i in chosen] == [
        *[("draw", "counting")] * 2,
        *[("chat", "name")] * 2,
        *[("chat", "liking")] * 2,
    ]
    assert len(run.select(None, 1, 0)) == len(EVERY)


@pytest.mark.parametrize("wrong", [["counting"], ["draw", "sing"], [""]])
def test_an_unknown_set_is_refused(wrong: list[str]) -> None:
    with pytest.raises(UsageError, match="choose from draw, edit, ask, chat"):
        run.select(wrong, 1, 0)


def test_answers_are_compared_without_case_and_full_stop() -> None:
    assert run.plain(" Your name is  Ada.\n") == run.plain("your name is ada")
    assert run.plain("two") != run.plain("three")
    assert run.plain("yes no") != run.plain("yes")


def test_a_model_of_another_picture_size_is_sent_to_the_public_benchmark(tiny_copy: Path) -> None:
    path = tiny_copy / "diffusion" / "transformer" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sample_size": 16}))
    with open_model(str(tiny_copy)) as model:
        with pytest.raises(UsageError, match="draws 128 x 128 pixels.*--prompts"):
            run.evaluate(model, run.select(["draw"], 1, 0))
        assert run.evaluate(model, run.select(["chat/name"], 1, 0)).outcomes
