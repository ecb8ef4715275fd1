"""Let a model do the judged items, and judge it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export.errors import UsageError
from mobileo_export.evaluation import judge, requirements, scenes
from mobileo_export.evaluation.items import CATEGORIES, Item, items
from mobileo_export.evaluation.results import JudgedItem, Results
from mobileo_export.pipelines.needs import NEEDS as PIPELINES
from mobileo_export.progress import OnStage, ignore

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.evaluation.judge import Sight
    from mobileo_export.evaluation.requirements import Wanted
    from mobileo_export.pipelines.model import Model


@dataclass(frozen=True)
class Done:
    """An item and what came of it; ``pixels`` [H, W, 3] uint8 where something was drawn."""

    item: Item
    outcome: JudgedItem
    pixels: NDArray[np.uint8] | None = None


OnDone = Callable[[Done], None]


NEEDS = {**PIPELINES, "draw": PIPELINES["generate"]}  # by suite
# Answers are short; a model that rambles is not waited for.
_LONGEST_ANSWER = 24


def needs(todo: Iterable[Item]) -> tuple[str, ...]:
    """The components that the items take."""
    suites = dict.fromkeys(item.suite for item in todo)
    return tuple(dict.fromkeys(name for suite in suites for name in NEEDS[suite]))


def select(only: Sequence[str] | None, limit: int, seed: int) -> list[Item]:
    """The items of the suites and categories that ``only`` names; of all when it is None.

    Args:
        only: ``draw``, ``edit``, ``ask``, ``chat``, or one category as ``draw/counting``.
        limit: items a category.
        seed: chooses them.

    Raises:
        UsageError: there is no such suite or category, or the limit is below 1.
    """
    if limit < 1:
        raise UsageError(f"limit {limit}: choose at least 1 item a category")
    known = [f"{suite}/{category}" for suite, names in CATEGORIES.items() for category in names]
    chosen = known if only is None else []
    for wanted in only or ():
        matches = [name for name in known if wanted in {name, name.split("/")[0]}]
        if not matches:
            raise UsageError(
                f"no judged set {wanted!r}; choose from {', '.join([*CATEGORIES, *known])}"
            )
        chosen += [name for name in matches if name not in chosen]
    made: list[Item] = []
    for suite, names in CATEGORIES.items():
        for category in names:
            if f"{suite}/{category}" in chosen:
                made += items(suite, category, limit, seed)
    return made


def evaluate(
    model: Model,
    todo: Iterable[Item],
    seed: int = 0,
    on_item: OnStage = ignore,
    on_done: OnDone = ignore,
) -> Results:
    """Do every item and judge it.

    Args:
        model: opened with ``keep``, or every item loads its components anew.
        todo: see :func:`select`.
        seed: what the items were chosen by, for the record.
        on_item: called with (suite, done, in all) as items are done.
        on_done: takes each item with what came of it, such as :func:`saving`.

    Raises:
        UsageError: the model draws pictures of a size that the judge does not read.
        BundleError: a component is missing or damaged.
    """
    todo = list(todo)
    for suite in dict.fromkeys(item.suite for item in todo):
        model.require(*NEEDS[suite])
    if any(item.suite in {"draw", "edit"} for item in todo):
        _require_size(model)
    totals = {suite: sum(item.suite == suite for item in todo) for suite in CATEGORIES}
    done = dict.fromkeys(CATEGORIES, 0)
    outcomes = []
    for item in todo:
        on_item(item.suite, done[item.suite], totals[item.suite])
        result = (_draw if item.suite in {"draw", "edit"} else _answer)(model, item)
        outcomes.append(result.outcome)
        on_done(result)
        done[item.suite] += 1
        on_item(item.suite, done[item.suite], totals[item.suite])
    return Results(model.source, seed, tuple(outcomes))


def _require_size(model: Model) -> None:
    size = model.recipe.image.size
    if size != scenes.SIZE:
        raise UsageError(
            f"{model.source}: draws {size} x {size} pixels; the built-in judge reads "
            f"{scenes.SIZE} x {scenes.SIZE}, the miniature's. For a full-size model give the "
            "public prompt file (--prompts) or choose --only ask,chat"
        )


def _draw(model: Model, item: Item) -> Done:
    from mobileo_export.pipelines import generate
    from mobileo_export.pipelines.drawing import Drawing

    assert item.wanted is not None
    drawing = Drawing.of(model.recipe, seed=item.seed)
    if item.suite == "draw":
        pixels = generate.generate(model, item.text, drawing).pixels
    else:
        assert item.scene is not None
        pixels = generate.edit(model, scenes.draw(item.scene), item.text, drawing).pixels
    sight = judge.look(pixels)
    wrong = requirements.failures(item.wanted, sight)
    expected, got = wanted_text(item.wanted), sight_text(sight)
    outcome = JudgedItem(item.suite, item.category, item.text, expected, got, item.seed, wrong)
    return Done(item, outcome, pixels)


def _answer(model: Model, item: Item) -> Done:
    from mobileo_export.pipelines import answer

    how = answer.Sampling.of(model.recipe, temperature=0.0, max_new_tokens=_LONGEST_ANSWER)
    if item.suite == "ask":
        assert item.scene is not None
        got = answer.ask(model, scenes.draw(item.scene), item.text, how).text
    else:
        chat = answer.Chat(model, how)
        for said in item.before:
            chat.send(said)
        got = chat.send(item.text).text
    wrong = () if plain(got) == plain(item.answer) else ("answer",)
    outcome = JudgedItem(item.suite, item.category, item.text, item.answer, got, item.seed, wrong)
    return Done(item, outcome)


def plain(text: str) -> str:
    """An answer as it is compared: without case, surrounding space and the final full stop."""
    return " ".join(text.lower().split()).rstrip(".")


def wanted_text(wanted: Wanted) -> str:
    """What a picture must show, for a person."""
    things = ", ".join(" ".join(filter(None, (color, shape))) for shape, color in wanted.things)
    rest = [wanted.layout, f"on {wanted.background}" if wanted.background else ""]
    return " ".join(filter(None, (things, *rest)))


def sight_text(sight: Sight) -> str:
    """What the judge saw, for a person."""
    things = ", ".join(f"{t.color} {t.shape} ({t.x:.0f}, {t.y:.0f})" for t in sight.things)
    return f"{things or 'nothing'} on {sight.background}"


def saving(folder: Path) -> OnDone:
    """Writes what is drawn into an existing folder, with what was edited beside it."""
    from mobileo_export.pipelines import images

    def save(done: Done) -> None:
        if done.pixels is None:
            return
        item, wrong = done.item, done.outcome.wrong
        name = f"{item.suite}-{item.category}-{item.seed:03d}"
        texts = {"prompt": item.text, "seed": str(item.seed), "wrong": " ".join(wrong)}
        verdict = "wrong" if wrong else "right"
        images.write_png(folder / f"{name}-{verdict}.png", done.pixels, texts)
        if item.scene is not None:
            images.write_png(folder / f"{name}-before.png", scenes.draw(item.scene), {})

    return save
