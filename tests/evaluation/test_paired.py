"""Two models on the same items: figures worked out by hand and by scipy."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mobileo_export.errors import InternalError
from mobileo_export.evaluation import paired
from mobileo_export.evaluation.results import JudgedItem, Results


def results(name: str, rights: str, suite: str = "ask", category: str = "count") -> Results:
    return Results(
        name,
        0,
        tuple(
            JudgedItem(suite, category, f"item {i}", "2", "2", i, () if right == "x" else ("n",))
            for i, right in enumerate(rights)
        ),
    )


def test_what_changes_sides_is_counted_whatever_the_sum() -> None:
    ours = results("ours", "xx..xx")
    theirs = results("theirs", "xxxx..")
    found = paired.compare(
        paired.JudgedRun(ours, (None,) * 6), paired.JudgedRun(theirs, (None,) * 6)
    )
    assert found.closeness is None
    score = found.overall
    assert (score.right, score.lost, score.won, score.net, score.changed) == (4, 2, 2, 0, 4)
    assert [(o.seed, t.right) for o, t in found.changes()] == [
        (2, True),
        (3, True),
        (4, False),
        (5, False),
    ]
    assert [(s.suite, s.category) for s in found.scores()] == [
        ("ask", "count"),
        ("ask", "overall"),
        ("all", "overall"),
    ]


def test_lost_is_what_the_other_has_right() -> None:
    both = results("ours", "xx..x"), results("theirs", "xxxx.")
    ours, theirs = (paired.JudgedRun(each, (None,) * 5) for each in both)
    there, back = (paired.compare(*runs).overall for runs in ((ours, theirs), (theirs, ours)))
    assert (there.right, there.lost, there.won, there.net) == (3, 2, 1, -1)
    assert (back.right, back.lost, back.won, back.net) == (4, 1, 2, 1)


@pytest.mark.parametrize(
    ("lost", "won"), [(0, 0), (1, 0), (5, 0), (4, 7), (11, 12), (30, 10), (0, 40)]
)
def test_the_exact_test_is_scipys(lost: int, won: int) -> None:
    binomtest = pytest.importorskip("scipy.stats").binomtest
    score = paired.PairedScore("ask", "count", 360, 300, lost, won)
    expected = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert score.chance == pytest.approx(expected)


def test_the_interval_of_agresti_and_min() -> None:
    # Their 2005 paper, table II with 0.5 a cell: n + 2 trials, of which 4.5 and 7.5 differ.
    low, high = paired.PairedScore("ask", "count", 360, 300, lost=7, won=4).interval
    middle, spread = -3 / 362, math.sqrt(12 - 9 / 362) / 362
    assert low == pytest.approx(middle - 1.959964 * spread)
    assert high == pytest.approx(middle + 1.959964 * spread)
    assert paired.PairedScore("ask", "count", 0, 0, 0, 0).interval == (-1.0, 1.0)
    low, high = paired.PairedScore("ask", "count", 360, 360, 0, 0).interval
    assert low < 0 < high  # no change among 360 does not say that there is none


def test_pictures_by_their_distance() -> None:
    flat = np.full((4, 4, 3), 100, np.uint8)
    assert paired.psnr(flat, flat) == math.inf
    assert paired.psnr(flat, flat + 1) == pytest.approx(48.13, abs=0.01)
    assert paired.psnr(flat, flat + 10) == pytest.approx(28.13, abs=0.01)
    assert paired.psnr(flat, np.zeros_like(flat)) == pytest.approx(8.13, abs=0.01)
    near = paired.Closeness.of([(flat, flat)] * 6 + [(flat, flat + 1)] * 3 + [(flat, flat + 10)])
    assert near is not None
    assert (near.count, near.equal, near.median) == (10, 6, math.inf)
    assert near.worst == pytest.approx(28.13, abs=0.01)
    assert near.tenth == near.worst
    pictures = (None, flat), (None, flat + 1)
    found = paired.compare(
        *(paired.JudgedRun(results(n, "x."), p) for n, p in zip("ab", pictures, strict=True))
    )
    said = json.loads(json.dumps(found.to_json()))
    assert said["against"] == "b"
    assert said["pictures"]["count"] == 1
    assert said["changes"] == []


def test_other_items_are_no_pair() -> None:
    runs = [
        paired.JudgedRun(results("a", "xx"), (None, None)),
        paired.JudgedRun(results("b", "xx", category="shape"), (None, None)),
    ]
    with pytest.raises(InternalError, match="different items"):
        paired.compare(*runs)
