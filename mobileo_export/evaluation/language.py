"""What is asked about scenes: questions with their answers, edits, and small talk."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export.evaluation import scenes
from mobileo_export.evaluation.scenes import (
    BACKGROUNDS,
    COLORS,
    NUMBERS,
    OPPOSITE,
    SHAPES,
    Scene,
)

if TYPE_CHECKING:
    from mobileo_export.evaluation.scenes import Thing

NAMES = (
    *("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Ida"),
    *("Jon", "Kim", "Leo", "Mia", "Noa", "Olga", "Paul", "Rosa"),
)
LIKES = (
    *("apples", "tea", "music", "chess", "rain", "books"),
    *("cats", "maps", "ships", "trees", "snow", "bread"),
)
# Names and what their owners like that no training conversation brings together.
HELD_OUT_TALK = frozenset(
    random.Random("held out talk").sample([(n, t) for n in NAMES for t in LIKES], 24)
)


@dataclass(frozen=True)
class Question:
    """About one picture; ``kind`` is the category that it counts for."""

    kind: str
    text: str
    answer: str


@dataclass(frozen=True)
class Edit:
    """An instruction and the scene that it leads to."""

    kind: str
    text: str
    result: Scene


def name(thing: Thing, colored: bool = True) -> str:
    """``red circle`` or ``circle``."""
    return f"{thing.color} {thing.shape}" if colored else thing.shape


def questions(scene: Scene, rng: random.Random) -> list[Question]:
    """One question of every kind that the scene answers, in random order."""
    first = scene.things[0]
    count = len(scene.things)
    asked = [
        Question("count", "How many shapes are there?", NUMBERS[count - 1]),
        Question("background", "What color is the background?", scene.background),
        _existence(scene, rng),
    ]
    if scene.kind == "single":
        asked += [
            Question("shape", "What shape is it?", first.shape),
            Question("color", f"What color is the {first.shape}?", first.color),
            Question("position", f"Where is the {first.shape}?", scene.layout),
        ]
    elif scene.kind == "group":
        asked += [
            Question("shape", "What shapes are they?", f"{first.shape}s"),
            Question("color", f"What color are the {first.shape}s?", first.color),
        ]
    else:
        asked += _pair_questions(scene, rng)
    rng.shuffle(asked)
    return asked


def _existence(scene: Scene, rng: random.Random) -> Question:
    shown = {name(thing) for thing in scene.things}
    if rng.random() < 0.5:
        wanted = rng.choice(sorted(shown))
        return Question("existence", f"Is there a {wanted}?", "yes")
    # Half of what is not there shares its color or its shape with what is.
    thing = rng.choice(scene.things)
    near = [f"{c} {thing.shape}" for c in COLORS] + [f"{thing.color} {s}" for s in SHAPES]
    far = [f"{c} {s}" for c in COLORS for s in SHAPES]
    pool = near if rng.random() < 0.5 else far
    wanted = rng.choice([text for text in pool if text not in shown])
    return Question("existence", f"Is there a {wanted}?", "no")


def _pair_questions(scene: Scene, rng: random.Random) -> list[Question]:
    a, b = scene.things
    relation = scene.layout
    if rng.random() < 0.5:
        a, b, relation = b, a, OPPOSITE[relation]
    colored = a.shape == b.shape
    asked = [
        Question("relation", f"What is {relation} the {name(b, colored)}?", f"a {name(a)}"),
    ]
    if not colored:
        asked.append(Question("color", f"What color is the {a.shape}?", a.color))
    if a.color != b.color:
        asked.append(Question("shape", f"What shape is {a.color}?", a.shape))
    return asked


def edits(scene: Scene, rng: random.Random) -> list[Edit]:
    """One edit of every kind that the scene allows, in random order."""
    ground = rng.choice([b for b in BACKGROUNDS if b != scene.background])
    changed = Scene(scene.kind, scene.things, ground, scene.layout)
    possible = [Edit("background", f"make the background {ground}", changed)]
    if scene.kind != "group" and len({t.shape for t in scene.things}) == len(scene.things):
        index = rng.randrange(len(scene.things))
        thing = scene.things[index]
        color = rng.choice([c for c in COLORS if c != thing.color])
        text = f"make the {thing.shape} {color}"
        possible.append(Edit("color", text, scenes.recolored(scene, index, color)))
        shape = rng.choice([s for s in SHAPES if s != thing.shape])
        result = scenes.reshaped(scene, index, shape)
        # Two equal things are no scene of this world.
        if len({(t.shape, t.color) for t in result.things}) == len(result.things):
            text = f"turn the {thing.shape} into a {shape}"
            possible.append(Edit("shape", text, result))
    rng.shuffle(possible)
    return possible


def introduction(who: str, what: str, rng: random.Random) -> list[tuple[str, str]]:
    """What the user tells, in either order."""
    told = [
        (f"My name is {who}.", f"Nice to meet you, {who}!"),
        (f"I like {what}.", f"I like {what} too."),
    ]
    rng.shuffle(told)
    return told


def recall(who: str, what: str) -> list[tuple[str, str]]:
    """What only who listened can answer."""
    return [
        ("What is my name?", f"Your name is {who}."),
        ("What do I like?", f"You like {what}."),
    ]
