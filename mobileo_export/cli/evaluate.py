"""``mobileo-export evaluate``: how often a model draws, edits and answers right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli import options, pages, sources
from mobileo_export.cli.output import new_console, new_table, print_json, progress_display, say
from mobileo_export.progress import Progress, ignore

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.evaluation import paired
    from mobileo_export.evaluation.items import Item
    from mobileo_export.evaluation.results import Results
    from mobileo_export.evaluation.run import Done
    from mobileo_export.pipelines.model import Model

_LIMIT = 20


def command(
    *,
    source: options.Source,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="SETS", help="Judge these sets alone, as draw,edit,ask,chat or draw/counting."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help=f"Items a category, {_LIMIT} by default; with --prompts, prompts."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Chooses the items; with --prompts it seeds the noise.")
    ] = 0,
    images: Annotated[
        Path | None, typer.Option(help="A folder for the pictures that are drawn.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Draw GenEval's evaluation_metadata.jsonl for its own tools."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Another bundle or checkpoint: what changed between the two, item by item.",
        ),
    ] = None,
    page: pages.Page = None,
    runtime: options.Runtime = "auto",
    weights: options.Weights = "released",
    offline: options.Offline = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Judge what a model draws, edits, answers and remembers, on combinations it never saw.

    The pictures of the miniature are judged by a program that reads their pixels. For a full-size
    model, --prompts draws the public GenEval prompts into the folder --images instead, four
    pictures each, where the benchmark's own tools find them.

    With --against both models do the same items, and what only one of them has right is counted:
    what a bundle's compression costs, say, beside the checkpoint that it was made from.
    """
    import time

    from mobileo_export.errors import UsageError
    from mobileo_export.evaluation import geneval, paired, run
    from mobileo_export.pipelines import noise

    noise.check_seed(seed)
    pages.need(page)
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: choose at least 1")
    lines = geneval.read(prompts)[:limit] if prompts is not None else []
    names = only.split(",") if only is not None else None
    todo = run.select(names, limit or _LIMIT, seed) if prompts is None else []
    silent = quiet or json
    started = time.perf_counter()
    with ExitStack() as stack:
        needs = run.needs(todo) if prompts is None else run.NEEDS["draw"]
        model = stack.enter_context(_opened(source, needs, runtime, weights, offline, silent))
        if images is not None:
            images.mkdir(parents=True, exist_ok=True)
        if prompts is not None and images is not None:
            result = _draw(model, lines, images, seed, silent)
            result["seconds"] = round(time.perf_counter() - started, 3)
            if json:
                print_json(result)
            else:
                say(f"drew {result['drawn']} pictures of {result['prompts']} prompts in {images}")
            return
        # Opened before the first works: what cannot be is said at once.
        opened = [model]
        if against is not None:
            opened.append(
                stack.enter_context(_opened(against, needs, "auto", "released", offline, silent))
            )
        ran = [
            _judged(each, todo, seed, images if each is model else None, silent) for each in opened
        ]
    pairs = paired.compare(*ran) if len(ran) == 2 else None
    results, seconds = ran[0].results, time.perf_counter() - started
    if json:
        content = results.to_json()
        content["runtime"] = model.ran_on
        if pairs is not None:
            content["paired"] = {**pairs.to_json(), "runtime": opened[1].ran_on}
        content["seconds"] = round(seconds, 3)
        print_json(content)
    elif pairs is not None:
        _show_pairs(pairs, seconds)
    else:
        _show(results, seconds, model.ran_on)
    if page is not None:
        from mobileo_export.evaluation.page import Evaluated, render

        shown = [Evaluated(each, by.ran_on) for each, by in zip(ran, opened, strict=True)]
        pages.write(page, render(todo, *shown), json)


@contextmanager
def _opened(
    source: str, needs: Sequence[str], runtime: str, weights: Weights, offline: bool, silent: bool
) -> Iterator[Model]:
    from mobileo_export.pipelines.model import open_model

    place = sources.local(source, offline, silent)
    with open_model(place, runtime, weights, offline=offline, keep=True, needs=needs) as model:
        sources.tell(model.notes)
        yield model


def _judged(
    model: Model, todo: list[Item], seed: int, images: Path | None, silent: bool
) -> paired.JudgedRun:
    from mobileo_export.evaluation import paired, run

    pictures: list[Any] = []
    save = run.saving(images) if images is not None else ignore

    def keep(done: Done) -> None:
        pictures.append(done.pixels)
        save(done)

    with progress_display(silent) as show:
        return paired.JudgedRun(
            run.evaluate(model, todo, seed, _reporter(show), keep), tuple(pictures)
        )


def _draw(model: Model, lines: list[Any], images: Path, seed: int, silent: bool) -> dict[str, Any]:
    from mobileo_export.evaluation import geneval

    with progress_display(silent) as show:
        report = _reporter(show)
        drawn = geneval.draw(
            model, lines, images, seed, lambda done, total: report("prompts", done, total)
        )
    return {
        "source": model.source,
        "runtime": model.ran_on,
        "prompts": len(lines),
        "drawn": drawn,
        "images": str(images),
    }


def _reporter(show: Any) -> Any:

    return lambda suite, done, total: show(Progress(suite, "judging", done, total))


def _show(results: Results, seconds: float, ran_on: dict[str, str]) -> None:
    table = new_table("set", "category", "right", "share", "95 % interval")
    for score in results.scores():
        low, high = score.interval
        table.add_row(
            score.suite,
            score.category,
            f"{score.right} of {score.count}",
            f"{score.rate:.0%}",
            f"{low:.0%} to {high:.0%}",
        )
    new_console().print(table)
    say(
        f"{results.source}: {len(results.outcomes)} items of held-out combinations, "
        f"seed {results.seed}, in {seconds:.0f} s on {', '.join(dict.fromkeys(ran_on.values()))}"
    )


def _show_pairs(pairs: paired.Pairs, seconds: float) -> None:
    table = new_table("set", "category", "right", "lost", "won", "95 % interval of the change")
    for score in pairs.scores():
        low, high = score.interval
        table.add_row(
            score.suite,
            score.category,
            f"{score.right} of {score.count}",
            str(score.lost),
            str(score.won),
            f"{low:+.1%} to {high:+.1%}",
        )
    new_console().print(table)
    for ours, theirs in pairs.changes():
        what = "lost" if theirs.right else "won"
        print(f"{what}  {ours.suite}/{ours.category}: {ours.text}: {theirs.got}, now {ours.got}")
    near, all_ = pairs.closeness, pairs.overall
    if near is not None:
        median = "equal" if near.median == math.inf else f"{near.median:.1f} dB"
        tenth = "equal" if near.tenth == math.inf else f"{near.tenth:.1f} dB"
        print(f"{near.count} pictures: median {median}, a tenth below {tenth}, {near.equal} equal")
    print(
        f"{pairs.ours.source}: {all_.right} of {all_.count} right where {pairs.theirs.source} has "
        f"{all_.right - all_.net}; lost {all_.lost}, won {all_.won} "
        f"(p = {all_.chance:.2g}), in {seconds:.0f} s"
    )
