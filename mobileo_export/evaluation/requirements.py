"""What a prompt asks for, and whether what the judge saw is that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export.evaluation.scenes import PLACES

if TYPE_CHECKING:
    from mobileo_export.evaluation.judge import Seen, Sight
    from mobileo_export.evaluation.scenes import Scene

# How far a center has to lie from the other's, or from the picture's, to be beside it.
_BESIDE = 6.0


@dataclass(frozen=True)
class Wanted:
    """Everything that a prompt says; None and the empty string where it says nothing.

    ``things`` are (shape, color or None): exactly these and nothing else. ``layout`` is the place
    of a single thing, or the relation of the first of two to the second.
    """

    things: tuple[tuple[str, str | None], ...]
    background: str | None = None
    layout: str = ""


def of_scene(scene: Scene) -> Wanted:
    """All that a scene shows; for groups, not which quarters are filled."""
    things = tuple((thing.shape, thing.color) for thing in scene.things)
    return Wanted(things, scene.background, scene.layout)


def failures(wanted: Wanted, sight: Sight) -> tuple[str, ...]:
    """What is wrong, of ``count shape color background layout``; empty when all is right."""
    wrong = []
    if len(sight.things) != len(wanted.things):
        wrong.append("count")
    if Counter(shape for shape, _ in wanted.things) != Counter(t.shape for t in sight.things):
        wrong.append("shape")
    if not wrong and _assignment(wanted, sight) is None:
        wrong.append("color")
    if wanted.background is not None and sight.background != wanted.background:
        wrong.append("background")
    if wanted.layout and not wrong and not _placed(wanted, sight):
        wrong.append("layout")
    return tuple(wrong)


def _assignment(wanted: Wanted, sight: Sight) -> list[Seen] | None:
    """The seen things in the order of the wanted ones; None if they do not match."""
    left, order = list(sight.things), []
    for shape, color in wanted.things:
        match = next(
            (t for t in left if t.shape == shape and color in {None, t.color}),
            None,
        )
        if match is None:
            return None
        left.remove(match)
        order.append(match)
    return order


def _placed(wanted: Wanted, sight: Sight) -> bool:
    order = _assignment(wanted, sight)
    if order is None:
        return False
    if len(order) == 1:
        return place(order[0]) == wanted.layout
    first, second = order
    if wanted.layout in {"right of", "below"}:
        first, second = second, first
    dx, dy = second.x - first.x, second.y - first.y
    across = wanted.layout in {"left of", "right of"}
    return dx > max(_BESIDE, abs(dy)) if across else dy > max(_BESIDE, abs(dx))


def place(thing: Seen) -> str:
    """The name of the place that a thing is nearest to."""
    x, y = thing.x, thing.y
    return min(PLACES, key=lambda p: (PLACES[p][0] - x) ** 2 + (PLACES[p][1] - y) ** 2)
