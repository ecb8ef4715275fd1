"""The world of the miniature: the same for the same seed, and held-out means never shown."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from miniature import lessons
from mobileo_export.evaluation import language, scenes
from mobileo_export.evaluation.items import held_out_scene
from mobileo_export.evaluation.scenes import HELD_OUT, SIZE, Scene, Thing


def test_the_same_seed_gives_the_same_scenes() -> None:
    assert lessons.many("a", 50) == lessons.many("a", 50)
    assert lessons.many("a", 50) != lessons.many("b", 50)


def test_training_never_shows_what_is_held_out() -> None:
    shown = frozenset[tuple[str, ...]]().union(
        *(lessons.keys(s) for s in lessons.many("train", 4000))
    )
    assert shown.isdisjoint(HELD_OUT)
    # Everything else that can be shown is.
    rng = random.Random(0)
    every = frozenset[tuple[str, ...]]().union(
        *(lessons.keys(lessons.sample(rng)) for _ in range(8000))
    )
    # (two shapes that are never together on a background are in no relation there either)
    apart = {(k[1], k[2], k[3]) for k in HELD_OUT if k[0] == "shapes"}
    implied = {k for k in every if k[0] == "relation" and (*sorted((k[1], k[3])), k[4]) in apart}
    assert every - HELD_OUT - shown - implied == set()
    assert every >= HELD_OUT - {k for k in HELD_OUT if k[0] == "attribution"}


def test_each_kind_holds_out_some_and_not_all() -> None:
    kinds = {key[0] for key in HELD_OUT}
    assert kinds == {"color", "place", "count", "attribution", "shapes", "relation"}
    assert len(HELD_OUT) == 36
    assert sorted(HELD_OUT) == sorted(scenes._held_out())


@pytest.mark.parametrize("kind", sorted({key[0] for key in HELD_OUT}))
def test_held_out_scenes_show_what_is_held_out(kind: str) -> None:
    rng = random.Random(1)
    for _ in range(30):
        scene = held_out_scene(kind, rng)
        assert lessons.held_out(scene)
        assert kind in {key[0] for key in lessons.keys(scene) & HELD_OUT}


def test_things_lie_in_the_picture_and_apart() -> None:
    for scene in (lessons.sample(random.Random(i)) for i in range(500)):
        cover = sum(scenes.coverage(t.shape, t.x, t.y, t.radius) for t in scene.things)
        assert np.max(cover) <= 1
        for thing in scene.things:
            for place in (thing.x, thing.y):
                assert thing.radius <= place <= SIZE - thing.radius


def test_coverage_is_area() -> None:
    for shape, share in (("square", 4), ("circle", np.pi), ("triangle", 2)):
        cover = scenes.coverage(shape, 32, 32, 10)
        assert cover.sum() == pytest.approx(share * 100, rel=0.02)
        assert cover.max() == 1
        assert cover[0, 0] == 0


def test_pairs_are_kept_in_one_order() -> None:
    rng = random.Random(0)
    scene = scenes.pair(rng, ("circle", "red"), "right of", ("square", "blue"), "gray")
    assert scene.layout == "left of"
    assert [thing.shape for thing in scene.things] == ["square", "circle"]
    assert scene.things[0].x < scene.things[1].x


def test_changes_leave_the_rest_alone() -> None:
    scene = lessons.sample(random.Random(0), "pair")
    changed = scenes.recolored(scene, 1, "red")
    assert changed.things[0] == scene.things[0]
    first = scene.things[1]
    assert changed.things[1] == Thing(first.shape, "red", first.x, first.y, first.radius)


def test_questions_and_captions_tell_the_truth() -> None:
    for index in range(300):
        rng = random.Random(index)
        scene = lessons.sample(rng)
        for text in (lessons.caption(scene, rng), lessons.prompt(scene, rng)):
            for other in set(scenes.BACKGROUNDS) - {scene.background}:
                assert f"{other} background" not in text
            for color in set(scenes.COLORS) - {thing.color for thing in scene.things}:
                assert color not in text
            for shape in set(scenes.SHAPES) - {thing.shape for thing in scene.things}:
                assert shape not in text
        for question in language.questions(scene, rng):
            if question.kind == "existence":
                wanted = question.text.removeprefix("Is there a ").rstrip("?")
                shown = {f"{t.color} {t.shape}" for t in scene.things}
                assert (wanted in shown) == (question.answer == "yes")
            if question.kind == "count":
                assert scenes.NUMBERS.index(question.answer) + 1 == len(scene.things)


def test_prompts_of_pairs_are_mostly_brief() -> None:
    rng = random.Random(0)

    def bare(say: Callable[[Scene, random.Random], str]) -> float:
        texts = []
        for _ in range(2000):
            scene = lessons.sample(rng, "pair")
            # Of two of a shape the colors are always said.
            if scene.things[0].shape != scene.things[1].shape:
                texts.append(say(scene, rng).partition(" on a ")[0])
        plain = {f"a {a} and a {b}" for a in scenes.SHAPES for b in scenes.SHAPES}
        return sum(any(text.endswith(p) for p in plain) for text in texts) / len(texts)

    assert bare(lessons.caption) == pytest.approx(0.1, abs=0.03)
    assert bare(lessons.prompt) == pytest.approx(0.3, abs=0.04)


def test_prompts_name_two_things_as_one_reads() -> None:
    rng = random.Random(0)
    joined = 0
    for _ in range(500):
        scene = lessons.sample(rng, "pair")
        first, second = scene.things
        assert first.x < second.x or first.y < second.y
        before, found, after = lessons.prompt(scene, rng).partition(" and a ")
        if found:
            joined += 1
            assert before.endswith(first.shape)
            assert after.partition(" on ")[0].endswith(second.shape)
    assert joined == pytest.approx(300, abs=50)


def test_edits_change_one_thing() -> None:
    for index in range(200):
        rng = random.Random(index)
        scene = lessons.sample(rng)
        for edit in language.edits(scene, rng):
            differing = sum(a != b for a, b in zip(scene.things, edit.result.things, strict=True))
            moved = edit.result.background != scene.background
            assert (differing, moved) == ((0, True) if edit.kind == "background" else (1, False))


def test_small_talk_holds_pairs_out() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        said = " ".join(text for turn in lessons.talk(rng) for text in turn)
        for who, what in language.HELD_OUT_TALK:
            assert not (f"name is {who}." in said and f"I like {what}." in said)
