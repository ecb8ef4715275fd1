"""What came of an evaluation as one HTML file to look at: no network, no script."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from mobileo_export import __version__
from mobileo_export.evaluation import paired, scenes, titles
from mobileo_export.evaluation.run import Done
from mobileo_export.html import origin
from mobileo_export.html import render as html
from mobileo_export.html.text import figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mobileo_export.evaluation.items import Item
    from mobileo_export.evaluation.paired import JudgedRun, Pairs
    from mobileo_export.evaluation.results import Results

_MOST = 120  # items with what was drawn; 10 kB each
Tile = tuple[str, str, str, bool]


class Evaluated(NamedTuple):
    """A model's run, and what executed its components, by name."""

    run: JudgedRun
    ran_on: Mapping[str, str]


def render(todo: Sequence[Item], ours: Evaluated, theirs: Evaluated | None = None) -> str:
    """The page. The same values give the same text.

    Args:
        todo: the items, in their order.
        ours: what the model made of them.
        theirs: what another model made of the same, to compare with.
    """
    results = ours.run.results
    done = _done(todo, ours.run)
    wrong = [each for each in done if not each.outcome.right]
    pairs = paired.compare(ours.run, theirs.run) if theirs is not None else None
    changed = list(_changed(done, _done(todo, theirs.run))) if theirs is not None else []
    runtimes = {*ours.ran_on.values(), *(theirs.ran_on.values() if theirs is not None else ())}
    source = origin.without_path(results.source)
    against = origin.without_path(theirs.run.results.source) if theirs is not None else None
    values = {
        "ok": True,
        "source": source,
        "against": against,
        "told": _verdict(results, pairs, source, against),
        "seed": results.seed,
        "shown": list(_tiles(results, pairs)),
        "suites": {
            suite: [score for score in results.scores() if score.suite == suite]
            for suite in dict.fromkeys(outcome.suite for outcome in results.outcomes)
        },
        "pairs": pairs,
        "changed": changed[:_MOST],
        "changes": len(changed),
        "wrong": wrong[:_MOST],
        "wrongs": len(wrong),
        "environment_of": {
            source: _executed(ours.ran_on),
            **({against: _executed(theirs.ran_on)} if against and theirs else {}),
            "seed": results.seed,
            "mobileo-export": __version__,
            **origin.made_with(sorted(runtimes)),
        },
    }
    names = {
        "suite_title": titles.SUITES.get,
        "category": titles.category,
        "scene_picture": scenes.draw,
    }
    return html.render("evaluation/page.html", values, names)


def _done(todo: Sequence[Item], run: JudgedRun) -> list[Done]:
    rows = zip(todo, run.results.outcomes, run.pictures, strict=True)
    return [Done(*row) for row in rows]


def _changed(ours: list[Done], theirs: list[Done]) -> Iterator[tuple[str, Done, Done]]:
    """What only one of both has right, what was lost first."""
    both = list(zip(ours, theirs, strict=True))
    for told, right in (("lost", False), ("won", True)):
        for mine, other in both:
            if mine.outcome.right is right and other.outcome.right is not right:
                yield told, mine, other


def _verdict(results: Results, pairs: Pairs | None, source: str, against: str | None) -> str:
    right = sum(outcome.right for outcome in results.outcomes)
    told = f"{source} has {right:,} of {len(results.outcomes):,} right"
    if pairs is None:
        return told
    return f"{told}, {against} {right - pairs.overall.net:,}"


def _tiles(results: Results, pairs: Pairs | None) -> Iterator[Tile]:
    for score in results.scores():
        if score.category == "overall":
            low, high = score.interval
            title = titles.SUITES.get(score.suite, score.suite)
            yield title, f"{score.right:,} of {score.count:,}", f"{low:.0%} to {high:.0%}", True
    if pairs is None:
        return
    all_, near = pairs.overall, pairs.closeness
    yield "Lost and won", f"{all_.lost} and {all_.won}", f"p = {all_.chance:.2g}", True
    if near is not None:
        median = "equal" if near.median == math.inf else figure(near.median, "psnr")
        yield "Pictures apart, median", median, f"{near.equal} of {near.count} equal", True


def _executed(ran_on: Mapping[str, str]) -> str:
    return f"on {', '.join(dict.fromkeys(ran_on.values()))}"
