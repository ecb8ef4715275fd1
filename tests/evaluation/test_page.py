"""The page of ``evaluate``: scores, what changed sides, and pictures of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mobileo_export.evaluation import page, run
from mobileo_export.evaluation.page import Evaluated
from mobileo_export.evaluation.paired import JudgedRun
from mobileo_export.evaluation.results import JudgedItem, Results
from tests.html.reading import in_order

TODO = run.select(["draw/counting", "edit/color", "ask/count", "chat/name"], 2, 0)
DREW = {"draw", "edit"}


def evaluated(source: str, wrong: Mapping[int, str], ran_on: str = "mil") -> Evaluated:
    """A run over ``TODO``; the items of ``wrong`` by their number, with what is wrong."""
    outcomes = tuple(
        JudgedItem(
            item.suite, item.category, item.text, "what <was> asked",
            f"got {Path(source).name} {number}", item.seed,
            (wrong[number],) if number in wrong else (),
        )
        for number, item in enumerate(TODO)
    )  # fmt: skip
    shade = sum(map(ord, source)) % 256
    pictures = tuple(
        np.full((8, 8, 3), shade, np.uint8) if item.suite in DREW else None for item in TODO
    )
    return Evaluated(JudgedRun(Results(source, 0, outcomes), pictures), {"dit": ran_on})


def test_scores_and_what_is_wrong() -> None:
    shown = page.render(
        TODO, evaluated("/home/someone/bundle", {0: "count", 3: "color", 5: "answer"})
    )
    texts = [
        "bundle has 5 of 8 right",
        "1 of 2",
        "Counting",
        "9% to 91%",
        "What is wrong",
        "3 items",
        "wrong count",
        "asked for: what &lt;was&gt; asked",
        "wrong color",
        "asked for what &lt;was&gt; asked",
        "on mil",
    ]
    in_order(shown, texts)
    # The drawn one, the edited one with what was given, and what the question is about.
    assert shown.count("<img ") == 1 + 2 + 1
    assert "someone" not in shown
    assert "What changed sides" not in shown


def test_a_bar_is_the_interval() -> None:
    shown = page.render(TODO, evaluated("bundle", {}))
    assert '<rect class="h3" x="34.24%" width="65.76%"' in shown  # 2 of 2
    assert '<line class="floor" x1="100.00%"' in shown


def test_beside_another_model() -> None:
    ours = evaluated("bundle", {0: "count", 4: "answer"})
    theirs = evaluated("miniature", {1: "count", 4: "answer"}, "torch")
    shown = page.render(TODO, ours, theirs)
    texts = [
        "bundle has 6 of 8 right, miniature 6",
        "Lost and won",
        "1 and 1",
        "p = 1",
        "Beside miniature",
        "What changed sides",
        "2 items",
        "lost</span>",
        "miniature: got miniature 0",
        "won</span>",
        "bundle: got bundle 1",
        "What is wrong",
        "<dt>miniature</dt><dd>on torch</dd>",
    ]
    in_order(shown, texts)


def test_nothing_wrong_and_nothing_changed_is_said() -> None:
    shown = page.render(TODO, evaluated("bundle", {}), evaluated("other", {}))
    assert "Nothing: both have the same items right." in shown
    assert '<p class="lead">Nothing.' in shown


def test_many_are_counted_and_some_shown() -> None:
    todo = run.select(["chat/name"], page._MOST + 5, 0)
    outcomes = tuple(JudgedItem("chat", "name", "who?", "a", "b", 0, ("answer",)) for _ in todo)
    many = JudgedRun(Results("bundle", 0, outcomes), (None,) * len(todo))
    shown = page.render(todo, Evaluated(many, {}))
    assert f"{page._MOST + 5} items, the first {page._MOST} of them here; --images" in shown
    assert shown.count("<figure>") == page._MOST
