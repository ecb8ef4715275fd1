"""The miniature's world: flat shapes of a few colors on plain backgrounds, and how they are drawn.

A scene is one of three kinds: a single shape at a named place, a pair in a relation, or a group of
two to four equal shapes. ``HELD_OUT`` are the combinations that training never shows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 64
SHAPES = ("circle", "square", "triangle")
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "green": (30, 170, 60),
    "blue": (40, 80, 230),
    "yellow": (245, 215, 40),
    "purple": (160, 50, 180),
}
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "black": (16, 16, 16),
    "gray": (128, 128, 128),
    "white": (240, 240, 240),
}
# Where the center of a single shape lies, and the largest step aside.
PLACES: dict[str, tuple[int, int]] = {
    "in the center": (32, 32),
    "on the left": (17, 32),
    "on the right": (47, 32),
    "at the top": (32, 17),
    "at the bottom": (32, 47),
}
_PLACE_JITTER = 2
# Of a pair, the second relation of each line says the same of the two in the other order.
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
FIRST_RELATIONS = ("left of", "above")
NUMBERS = ("one", "two", "three", "four")
_QUADRANTS = ((18, 18), (46, 18), (18, 46), (46, 46))
_SAMPLES = 4  # a side of each pixel, for smooth edges

Kind = Literal["single", "pair", "group"]
Key = tuple[str, ...]


@dataclass(frozen=True)
class Thing:
    """One shape: center and half its side or its radius in pixels, x to the right, y down."""

    shape: str
    color: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """What a picture shows. ``layout`` is the place of a single, the relation of a pair."""

    kind: Kind
    things: tuple[Thing, ...]
    background: str
    layout: str = ""


def _held_out() -> frozenset[Key]:
    """A fixed choice of each kind: about an eighth."""
    things = [f"{color} {shape}" for color, shape in product(COLORS, SHAPES)]
    shape_pairs = list(combinations(SHAPES, 2))
    every: tuple[tuple[int, list[Key]], ...] = (
        (6, [("color", c, s, b) for c, s, b in product(COLORS, SHAPES, BACKGROUNDS)]),
        (6, [("place", s, p, b) for s, p, b in product(SHAPES, PLACES, BACKGROUNDS)]),
        (6, [("count", n, c, s) for n, c, s in product(NUMBERS[1:], COLORS, SHAPES)]),
        (13, [("attribution", *sorted(pair)) for pair in combinations(things, 2)]),
        (1, [("shapes", *sorted(pair), b) for pair, b in product(shape_pairs, BACKGROUNDS)]),
        (
            4,
            [
                ("relation", a, r, b, g)
                for a, r, b, g in product(SHAPES, FIRST_RELATIONS, SHAPES, BACKGROUNDS)
                if a != b
            ],
        ),
    )
    chosen: set[Key] = set()
    for count, keys in every:
        chosen.update(random.Random(f"held out {keys[0][0]}").sample(keys, count))
    return frozenset(chosen)


HELD_OUT = _held_out()


def of_kind(kind: str) -> list[Key]:
    """The held-out combinations of one kind, in a fixed order."""
    return sorted(key for key in HELD_OUT if key[0] == kind)


def single(rng: random.Random, shape: str, color: str, place: str, background: str) -> Scene:
    """One shape at a named place."""
    x, y = (value + rng.uniform(-_PLACE_JITTER, _PLACE_JITTER) for value in PLACES[place])
    thing = Thing(shape, color, x, y, rng.uniform(11, 14))
    return Scene("single", (thing,), background, place)


def pair(
    rng: random.Random,
    first: tuple[str, str],
    relation: str,
    second: tuple[str, str],
    background: str,
) -> Scene:
    """Two shapes, (shape, color) each; kept as left and right, or as above and below."""
    if relation not in FIRST_RELATIONS:
        first, relation, second = second, OPPOSITE[relation], first
    things = []
    for (shape, color), along in ((first, 17), (second, 47)):
        a, b = along + rng.uniform(-2, 2), 32 + rng.uniform(-8, 8)
        x, y = (a, b) if relation == "left of" else (b, a)
        things.append(Thing(shape, color, x, y, rng.uniform(9, 12)))
    return Scene("pair", tuple(things), background, relation)


def group(rng: random.Random, count: int, shape: str, color: str, background: str) -> Scene:
    """``count`` equal shapes, each in a quarter of the picture of its own."""
    radius = rng.uniform(8, 10)
    things = tuple(
        Thing(shape, color, x + rng.uniform(-3, 3), y + rng.uniform(-3, 3), radius)
        for x, y in sorted(rng.sample(_QUADRANTS, count))
    )
    return Scene("group", things, background)


def recolored(scene: Scene, index: int, color: str) -> Scene:
    """The scene with another color of one thing."""
    return _changed(scene, index, color=color)


def reshaped(scene: Scene, index: int, shape: str) -> Scene:
    """The scene with another shape of one thing."""
    return _changed(scene, index, shape=shape)


def _changed(scene: Scene, index: int, **values: str) -> Scene:
    things = list(scene.things)
    things[index] = replace(things[index], **values)  # type: ignore[arg-type]
    return replace(scene, things=tuple(things))


def draw(scene: Scene) -> NDArray[np.uint8]:
    """The picture, [SIZE, SIZE, 3] uint8, with smooth edges."""
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:] = BACKGROUNDS[scene.background]
    for thing in scene.things:
        cover = coverage(thing.shape, thing.x, thing.y, thing.radius)[..., None]
        picture += cover * (np.array(COLORS[thing.color], np.float32) - picture)
    return np.rint(picture).astype(np.uint8)


def coverage(shape: str, x: float, y: float, radius: float) -> NDArray[np.float32]:
    """How much of each pixel a shape covers, [SIZE, SIZE] in 0 to 1."""
    step = (np.arange(SIZE * _SAMPLES, dtype=np.float32) + 0.5) / _SAMPLES
    u, v = ((step - np.float32(c)) / np.float32(radius) for c in (x, y))
    inside = contains(shape, u[None], v[:, None])
    cells = inside.reshape(SIZE, _SAMPLES, SIZE, _SAMPLES)
    covered: NDArray[np.float32] = cells.mean(axis=(1, 3), dtype=np.float32)
    return covered


def contains(
    shape: str, u: NDArray[np.floating[Any]], v: NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Whether points lie in a shape that spans −1 to 1 both ways; a triangle points up."""
    if shape == "circle":
        return np.asarray(u * u + v * v <= 1)
    inside = (np.abs(u) <= 1) & (np.abs(v) <= 1)
    if shape == "square":
        return np.asarray(inside)
    if shape == "triangle":
        return np.asarray(inside & (np.abs(u) <= (v + 1) / 2))
    raise ValueError(f"no shape {shape!r}")
