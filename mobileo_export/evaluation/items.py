"""The judged sets: prompts to draw, pictures to edit and to ask about, conversations.

Every item is of a held-out combination (of greetings and the like there is none), and the same for
the same seed, whatever else is asked for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from mobileo_export.evaluation import language, requirements, scenes
from mobileo_export.evaluation.requirements import Wanted
from mobileo_export.evaluation.scenes import (
    BACKGROUNDS,
    COLORS,
    FIRST_RELATIONS,
    NUMBERS,
    OPPOSITE,
    PLACES,
    Key,
    Scene,
)

Suite = Literal["draw", "edit", "ask", "chat"]
# Prompts by category, and the kind of combination of ``scenes.HELD_OUT`` that each asks for.
_PROMPTED = {
    "single_object": "place",
    "two_objects": "shapes",
    "counting": "count",
    "colors": "color",
    "position": "relation",
    "color_attribution": "attribution",
}
CATEGORIES: dict[Suite, tuple[str, ...]] = {
    "draw": tuple(_PROMPTED),
    "edit": ("background", "color", "shape"),
    "ask": ("background", "color", "count", "existence", "position", "relation", "shape"),
    "chat": ("name", "liking"),
}


@dataclass(frozen=True)
class Item:
    """One thing to do.

    Attributes:
        suite: which pipeline does it.
        category: what it counts for.
        text: the caption, the instruction, the question, or the last thing said.
        wanted: what the picture must show.
        answer: what must be answered.
        scene: what the given picture shows.
        before: what was said before in the conversation, by the user.
        seed: of the noise.
    """

    suite: Suite
    category: str
    text: str
    wanted: Wanted | None = None
    answer: str = ""
    scene: Scene | None = None
    before: tuple[str, ...] = ()
    seed: int = 0


def items(suite: Suite, category: str, count: int, seed: int) -> list[Item]:
    """``count`` items of one category."""
    rng = random.Random(f"{seed} {suite} {category}")
    if suite == "draw":
        return _prompts(category, count, rng)
    if suite == "chat":
        return _talks(category, count, rng)
    return _about_pictures(suite, category, count, rng)


def _prompts(category: str, count: int, rng: random.Random) -> list[Item]:
    keys = scenes.of_kind(_PROMPTED[category])
    rng.shuffle(keys)
    made = []
    for index in range(count):
        text, wanted = _prompt(keys[index % len(keys)], rng)
        made.append(Item("draw", category, text, wanted, seed=index))
    return made


def _prompt(key: Key, rng: random.Random) -> tuple[str, Wanted]:
    """A prompt that says one held-out combination, and what it asks for."""
    kind, *parts = key
    if kind == "place":
        shape, place, ground = parts
        text = f"a {shape} {place} on a {ground} background"
        return text, Wanted(((shape, None),), ground, place)
    if kind == "shapes":
        a, b, ground = rng.sample(parts[:2], 2) + parts[2:]
        text = f"a {a} and a {b} on a {ground} background"
        return text, Wanted(((a, None), (b, None)), ground)
    if kind == "count":
        number, color, shape = parts
        return f"{number} {color} {shape}s", Wanted(((shape, color),) * (NUMBERS.index(number) + 1))
    if kind == "color":
        color, shape, ground = parts
        return f"a {color} {shape} on a {ground} background", Wanted(((shape, color),), ground)
    if kind == "relation":
        a, relation, b, ground = parts
        if rng.random() < 0.5:
            a, relation, b = b, OPPOSITE[relation], a
        text = f"a {a} {relation} a {b} on a {ground} background"
        return text, Wanted(((a, None), (b, None)), ground, relation)
    first, second = rng.sample(parts, 2)
    things = tuple((name.split()[1], name.split()[0]) for name in (first, second))
    return f"a {first} and a {second}", Wanted(things)


def _about_pictures(suite: Suite, category: str, count: int, rng: random.Random) -> list[Item]:
    made: list[Item] = []
    # A turn for each kind of scene, so that no question is asked of one kind alone.
    kinds = rng.sample(sorted({key[0] for key in scenes.HELD_OUT}), 6)
    attempt = 0
    while len(made) < count:
        scene = held_out_scene(kinds[attempt % len(kinds)], rng)
        attempt += 1
        if suite == "edit":
            for edit in language.edits(scene, rng):
                if edit.kind == category:
                    wanted = requirements.of_scene(edit.result)
                    made.append(
                        Item("edit", category, edit.text, wanted, scene=scene, seed=len(made))
                    )
            continue
        for question in language.questions(scene, rng):
            if question.kind == category:
                made.append(Item("ask", category, question.text, None, question.answer, scene))
    return made[:count]


def held_out_scene(kind: str, rng: random.Random) -> Scene:
    """A scene that shows a held-out combination of the kind."""
    key = rng.choice(scenes.of_kind(kind))
    parts = key[1:]
    ground = parts[-1] if parts[-1] in BACKGROUNDS else rng.choice(tuple(BACKGROUNDS))
    color = rng.choice(tuple(COLORS))
    relation = rng.choice(FIRST_RELATIONS)
    if kind == "color":
        return scenes.single(rng, parts[1], parts[0], rng.choice(tuple(PLACES)), ground)
    if kind == "place":
        return scenes.single(rng, parts[0], color, parts[1], ground)
    if kind == "count":
        return scenes.group(rng, NUMBERS.index(parts[0]) + 1, parts[2], parts[1], ground)
    if kind == "attribution":
        first, second = ((name.split()[1], name.split()[0]) for name in rng.sample(list(parts), 2))
        return scenes.pair(rng, first, relation, second, ground)
    if kind == "shapes":
        shape, second_shape = rng.sample(list(parts[:2]), 2)
    else:
        shape, relation, second_shape = parts[:3]
    other = rng.choice(tuple(COLORS))
    return scenes.pair(rng, (shape, color), relation, (second_shape, other), ground)


def _talks(category: str, count: int, rng: random.Random) -> list[Item]:
    made = []
    pairs = sorted(language.HELD_OUT_TALK)
    rng.shuffle(pairs)
    for index in range(count):
        who, what = pairs[index % len(pairs)]
        before = tuple(said for said, _ in language.introduction(who, what, rng))
        name, liking = language.recall(who, what)
        text, answer = name if category == "name" else liking
        made.append(Item("chat", category, text, None, answer, before=before))
    return made
