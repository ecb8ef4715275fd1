"""``mobileo-export evaluate``: how often a model draws, edits and answers right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli import pipeline, sources
from mobileo_export.cli.output import new_console, new_table, print_json, progress_display, say
from mobileo_export.progress import Progress

if TYPE_CHECKING:
    from mobileo_export.evaluation.results import Results
    from mobileo_export.pipelines.model import Model

_LIMIT = 20


def command(
    *,
    source: pipeline.Source,
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
    runtime: pipeline.Runtime = "auto",
    weights: pipeline.Weights = "released",
    offline: pipeline.Offline = False,
    json: pipeline.Json = False,
    quiet: pipeline.Quiet = False,
) -> None:
    """Judge what a model draws, edits, answers and remembers, on combinations it never saw.

    The pictures of the miniature are judged by a program that reads their pixels. For a full-size
    model, --prompts draws the public GenEval prompts into the folder --images instead, four
    pictures each, where the benchmark's own tools find them.
    """
    import time

    from mobileo_export.errors import UsageError
    from mobileo_export.evaluation import geneval, run
    from mobileo_export.pipelines import noise
    from mobileo_export.pipelines.model import open_model

    noise.check_seed(seed)
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: choose at least 1")
    lines = geneval.read(prompts)[:limit] if prompts is not None else []
    names = only.split(",") if only is not None else None
    todo = run.select(names, limit or _LIMIT, seed) if prompts is None else []
    source = sources.local(source, offline, quiet or json)
    started = time.perf_counter()
    needs = run.needs(todo) if prompts is None else run.NEEDS["draw"]
    with open_model(source, runtime, weights, offline=offline, keep=True, needs=needs) as model:
        sources.tell(model.notes)
        if images is not None:
            images.mkdir(parents=True, exist_ok=True)
        if prompts is not None and images is not None:
            result = _draw(model, lines, images, seed, quiet or json)
            result["seconds"] = round(time.perf_counter() - started, 3)
            if json:
                print_json(result)
            else:
                say(f"drew {result['drawn']} pictures of {result['prompts']} prompts in {images}")
            return
        with progress_display(quiet or json) as show:
            keep = run.saving(images) if images is not None else run.forget
            results = run.evaluate(model, todo, seed, _reporter(show), keep)
    if json:
        content = results.to_json()
        content["runtime"] = model.ran_on
        content["seconds"] = round(time.perf_counter() - started, 3)
        print_json(content)
    else:
        _show(results, time.perf_counter() - started, model.ran_on)


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
