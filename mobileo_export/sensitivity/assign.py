"""The best assignment under a size: which matrix gets which choice.

Each matrix goes down the lower convex hull of its choices, fewer bits against more error. Of all
steps that are left, the one that costs least error a bit is taken until the size is met: the
optimum of the Lagrangian at some price of a bit, and so of every plan of its own size. What the
last step saves too much is given back where it helps most.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from mobileo_export.sensitivity.choices import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Name = tuple[str, str]  # component and matrix


def hull(choices: Sequence[Choice]) -> list[Choice]:
    """The choices that some price of a bit makes the best, from the dearest on."""
    least: list[Choice] = []  # the error falls as bits rise
    for choice in sorted(choices, key=lambda c: (c.bits, c.error, c.name)):
        if least and choice.error >= least[-1].error:
            continue
        while len(least) > 1 and _price(least[-2], least[-1]) <= _price(least[-1], choice):
            least.pop()
        least.append(choice)
    return least[::-1]


def assign(choices: Mapping[Name, Sequence[Choice]], most_bits: int) -> dict[Name, Choice] | None:
    """The choice of each name so that all together take ``most_bits`` at most; None if none do."""
    hulls = {name: hull(made) for name, made in choices.items()}
    chosen = dict.fromkeys(hulls, 0)
    bits = sum(steps[0].bits for steps in hulls.values())
    waiting = [
        (_price(steps[1], steps[0]), name) for name, steps in hulls.items() if len(steps) > 1
    ]
    heapq.heapify(waiting)
    while bits > most_bits:
        if not waiting:
            return None
        _, name = heapq.heappop(waiting)
        steps, place = hulls[name], chosen[name] + 1
        chosen[name] = place
        bits -= steps[place - 1].bits - steps[place].bits
        if place + 1 < len(steps):
            heapq.heappush(waiting, (_price(steps[place + 1], steps[place]), name))
    made = {name: hulls[name][place] for name, place in chosen.items()}
    return _filled(choices, made, most_bits - bits)


def least_bits(choices: Mapping[Name, Sequence[Choice]]) -> int:
    """What the smallest assignment takes."""
    return sum(min(choice.bits for choice in made) for made in choices.values())


def _filled(
    choices: Mapping[Name, Sequence[Choice]], made: dict[Name, Choice], room: int
) -> dict[Name, Choice]:
    """``made`` with the best single changes for more bits that fit into ``room``."""
    while True:
        better = [
            (-_price(made[name], choice), name, choice.bits, choice)
            for name, every in choices.items()
            for choice in every
            if choice.error < made[name].error and 0 < choice.bits - made[name].bits <= room
        ]
        if not better:
            return made
        _, name, _, choice = min(better, key=lambda item: item[:3])
        room -= choice.bits - made[name].bits
        made[name] = choice


def _price(small: Choice, large: Choice) -> float:
    """Error that a bit less costs, from ``large`` to ``small``."""
    return (small.error - large.error) / (large.bits - small.bits)
