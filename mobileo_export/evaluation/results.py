"""What came of an evaluation: outcomes, and per category the share that is right."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA_VERSION = 1
_Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class JudgedItem:
    """One item judged: ``got`` is the answer or what the judge saw, ``wrong`` what is not right."""

    suite: str
    category: str
    text: str
    expected: str
    got: str
    seed: int
    wrong: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


@dataclass(frozen=True)
class Score:
    """How many of a category are right, with the 95 % interval of Wilson."""

    suite: str
    category: str
    right: int
    count: int

    @property
    def rate(self) -> float:
        """The share that is right; not a number when there is none."""
        return self.right / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies, were the set endless."""
        return wilson(self.right, self.count)


@dataclass(frozen=True)
class Results:
    """All outcomes of one run over ``source``."""

    source: str
    seed: int
    outcomes: tuple[JudgedItem, ...]

    def scores(self) -> list[Score]:
        """One a category, in order of appearance, and ``overall`` after each suite's."""
        found: list[Score] = []
        for suite in dict.fromkeys(o.suite for o in self.outcomes):
            ours = [o for o in self.outcomes if o.suite == suite]
            for category in dict.fromkeys(o.category for o in ours):
                mine = [o for o in ours if o.category == category]
                found.append(Score(suite, category, sum(o.right for o in mine), len(mine)))
            found.append(Score(suite, "overall", sum(o.right for o in ours), len(ours)))
        return found

    def to_json(self) -> dict[str, Any]:
        """Scores and outcomes; all items are held-out combinations."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "seed": self.seed,
            "held_out": True,
            "scores": [
                {
                    **asdict(score),
                    "rate": round(score.rate, 4),
                    "interval": [round(end, 4) for end in score.interval],
                }
                for score in self.scores()
            ],
            "outcomes": [{**asdict(o), "right": o.right} for o in self.outcomes],
        }


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927); 0 to 1 for no trials.

    Raises:
        ValueError: the counts are no counts of a share.
    """
    if not 0 <= right <= count:
        raise ValueError(f"{right} of {count}")
    if count == 0:
        return 0.0, 1.0
    share, z2 = right / count, _Z * _Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)
