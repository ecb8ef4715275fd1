"""Two models on the same items: which verdicts change sides, and how far their pictures are apart.

A sum of right items is blind: what is lost is hidden by what is won. Of two models that saw the
same items the items that only one of them has right tell (McNemar 1947).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mobileo_export.errors import InternalError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.evaluation.results import JudgedItem, Results

_Z = 1.959964  # of a 95 % interval


class JudgedRun(NamedTuple):
    """What a model did: results, and the picture [H, W, 3] of each item that drew one."""

    results: Results
    pictures: tuple[NDArray[np.uint8] | None, ...]


@dataclass(frozen=True)
class PairedScore:
    """One category of both models.

    Attributes:
        suite, category: as of ``results.Score``.
        count: items.
        right: that the model has right.
        lost: that only the model compared with has right.
        won: that only the model has right.
    """

    suite: str
    category: str
    count: int
    right: int
    lost: int
    won: int

    @property
    def net(self) -> int:
        """How many more are right."""
        return self.won - self.lost

    @property
    def changed(self) -> int:
        """How many changed sides."""
        return self.won + self.lost

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the change of the share, were the set endless (Agresti and Min 2005)."""
        if not self.count:
            return -1.0, 1.0
        count = self.count + 2
        won, lost = self.won + 0.5, self.lost + 0.5
        middle = (won - lost) / count
        half = _Z * math.sqrt(won + lost - (won - lost) ** 2 / count) / count
        return max(-1.0, middle - half), min(1.0, middle + half)

    @property
    def chance(self) -> float:
        """Probability of a split as uneven as this or more, if changes go either way alike."""
        tail = sum(math.comb(self.changed, k) for k in range(min(self.won, self.lost) + 1))
        return float(min(1.0, 2 * tail / 2**self.changed))


@dataclass(frozen=True)
class Closeness:
    """How near the pictures of two models are.

    Attributes:
        count: pictures.
        equal: of those, equal in every byte.
        median: PSNR in dB of 8-bit pixels, infinite where at least half are equal.
        tenth: which a tenth of the pictures does not reach.
        worst: of the farthest apart.
    """

    count: int
    equal: int
    median: float
    tenth: float
    worst: float

    @classmethod
    def of(cls, pictures: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> Closeness | None:
        """Of pairs of pictures of one size; None of none."""
        if not pictures:
            return None
        found = sorted(psnr(ours, theirs) for ours, theirs in pictures)
        last = len(found) - 1
        median, tenth = found[(last + 1) // 2], found[last // 10]
        return cls(len(found), found.count(math.inf), median, tenth, found[0])


@dataclass(frozen=True)
class Pairs:
    """The items of one run with both outcomes, and the pictures where something was drawn."""

    ours: Results
    theirs: Results
    closeness: Closeness | None

    def __post_init__(self) -> None:
        if [_asked(o) for o in self.ours.outcomes] != [_asked(o) for o in self.theirs.outcomes]:
            raise InternalError("the two models were asked for different items")

    @property
    def pairs(self) -> tuple[tuple[JudgedItem, JudgedItem], ...]:
        """Ours and theirs of every item."""
        return tuple(zip(self.ours.outcomes, self.theirs.outcomes, strict=True))

    def changes(self) -> tuple[tuple[JudgedItem, JudgedItem], ...]:
        """The items that only one of both has right."""
        return tuple(pair for pair in self.pairs if pair[0].right != pair[1].right)

    def scores(self) -> list[PairedScore]:
        """One a category, ``overall`` after each suite's, and of all items at the end."""
        found = []
        for score in self.ours.scores():
            chosen = [
                pair
                for pair in self.pairs
                if pair[0].suite == score.suite and score.category in {pair[0].category, "overall"}
            ]
            found.append(_score(score.suite, score.category, chosen))
        return [*found, self.overall]

    @property
    def overall(self) -> PairedScore:
        """Of all items."""
        return _score("all", "overall", self.pairs)

    def to_json(self) -> dict[str, Any]:
        """Scores, what changed sides, and the pictures; infinite is null."""
        scores = [
            {
                **asdict(score),
                "net": score.net,
                "changed": score.changed,
                "interval": [round(end, 4) for end in score.interval],
                "chance": round(score.chance, 4),
            }
            for score in self.scores()
        ]
        changes = [
            {"lost": theirs.right, "ours": asdict(ours), "theirs": asdict(theirs)}
            for ours, theirs in self.changes()
        ]
        pictures = None
        if self.closeness is not None:
            pictures = {
                key: None if value == math.inf else value
                for key, value in asdict(self.closeness).items()
            }
        return {
            "against": self.theirs.source,
            "scores": scores,
            "changes": changes,
            "pictures": pictures,
        }


def compare(ours: JudgedRun, theirs: JudgedRun) -> Pairs:
    """Two runs over the same items."""
    both = [
        (mine, other)
        for mine, other in zip(ours.pictures, theirs.pictures, strict=True)
        if mine is not None and other is not None
    ]
    return Pairs(ours.results, theirs.results, Closeness.of(both))


def psnr(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> float:
    """Of 8-bit pixels, in dB: 20·log10(255) less ten times the log of the mean squared error."""
    error = float(np.mean((ours.astype(np.float64) - theirs.astype(np.float64)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _asked(item: JudgedItem) -> tuple[object, ...]:
    return item.suite, item.category, item.text, item.expected, item.seed


def _score(
    suite: str, category: str, pairs: tuple[tuple[JudgedItem, JudgedItem], ...] | list[Any]
) -> PairedScore:
    lost = sum(theirs.right and not ours.right for ours, theirs in pairs)
    won = sum(ours.right and not theirs.right for ours, theirs in pairs)
    right = sum(ours.right for ours, _ in pairs)
    return PairedScore(suite, category, len(pairs), right, lost, won)
