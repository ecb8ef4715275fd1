"""``mobileo-export demo``: the whole road on the shipped miniature, with a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.cli import options
from mobileo_export.cli.output import print_error, print_json, progress_display, say
from mobileo_export.errors import CheckFailedError

if TYPE_CHECKING:
    from mobileo_export.demo.result import Demo


def command(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the bundle and the page.")
    ] = Path("mobileo-demo"),
    seed: Annotated[int, typer.Option(help="Chooses what is asked for.")] = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Export the shipped miniature, verify it, and let it draw, edit, answer and chat.

    The miniature is a small Mobile-O that was really trained, on colored shapes. Its bundle is
    compared with PyTorch, then asked for combinations that it never saw; a program judges what
    comes. Everything, right or wrong, is on OUTPUT/index.html. Exit code 1: a gate fails.
    """
    from mobileo_export.components import COMPONENTS
    from mobileo_export.demo import run as demo
    from mobileo_export.pipelines import noise

    noise.check_seed(seed)
    with progress_display(quiet or json, COMPONENTS) as show:
        result = demo.run(output, seed, show)
    failures = result.findings.failures()
    if json:
        print_json(result.to_json())
    else:
        _show(result)
        for line in failures:
            print_error(line)
    if not result.findings.ok:
        raise CheckFailedError(
            f"{output}: the bundle does not compute what the miniature computes "
            f"({len(failures)} checks failed)"
        )


def _show(result: Demo) -> None:
    for score in result.results.scores():
        if score.category == "overall":
            say(f"{score.suite:<5} {score.right} of {score.count} right")
    cases = sum(len(c.cases) for c in result.findings.comparison.components)
    verdict = "every gate holds" if result.findings.ok else "NOT every gate holds"
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in result.seconds.items())
    say(f"parity: {cases} cases compared with PyTorch, {verdict}")
    say(f"open {result.page} ({spent})")
