"""``mobileo-export witness``: the same inputs on every bundle's own runtime, and in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.cli import pages, sources
from mobileo_export.cli.component_options import Only
from mobileo_export.cli.options import Json, Offline, Quiet
from mobileo_export.cli.output import new_console, new_table, print_json, progress_display, say
from mobileo_export.errors import CheckFailedError, printable

if TYPE_CHECKING:
    from mobileo_export.parity.witness import Testimony, Witnessed


def command(
    *,
    bundles: Annotated[
        list[Path], typer.Argument(help="Bundles of one checkpoint, as for ios, coreai and jetson.")
    ],
    checkpoint: Annotated[
        str, typer.Option(help="The checkpoint they were made from: a folder, a hub id, miniature.")
    ],
    only: Only = None,
    offline: Offline = False,
    page: pages.Page = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let several implementations compute the same, and name the one that stands alone.

    Each component runs from its files on the runtime that executes them as they are saved (mil,
    coreai, onnxruntime) and in PyTorch, on the cases of verify. Every two are compared, and may be
    as far apart as their gates allow. Where one stands alone, what its artifact holds is compared
    with the checkpoint: that tells a wrong artifact from a wrong runtime. Float32 only; quantized
    language models are left out, and said to be. Exit code 1 where two disagree.
    """
    from dataclasses import asdict

    from mobileo_export.bundle import manifest
    from mobileo_export.components import select
    from mobileo_export.parity.witness import witness
    from mobileo_export.processes import extras

    pages.need(page)
    specs = select(only) if only is not None else None
    content = manifest.read(bundles[0])
    extras.need("comparing with a checkpoint", extras.REFERENCE)
    opened = sources.of_bundle(content, checkpoint, offline, quiet or json)
    jobs = [spec.name for spec in specs or select(None)]
    with progress_display(quiet or json, jobs) as show:
        found = witness(tuple(dict.fromkeys(bundles)), opened, specs, show)
    if json:
        print_json({**asdict(found), "ok": found.ok})
    else:
        _show(found)
    if page is not None:
        from mobileo_export.parity.witness_page import render

        pages.write(page, render(found, bundles, checkpoint), json)
    if not found.ok:
        wrong = [f"{t.component}: {t.verdict}" for t in found.testimonies if not t.ok]
        raise CheckFailedError("; ".join(wrong))


def _show(found: Witnessed) -> None:
    for testimony in found.testimonies:
        _table(testimony)
    for line in found.left_out:
        say(printable(f"left out: {line}"))
    if found.ok:
        heard = ", ".join(dict.fromkeys(s for t in found.testimonies for s in t.sides))
        say(f"All agree: {heard}.", "bold green")


def _table(testimony: Testimony) -> None:
    table = new_table(testimony.component, "relative L2", "worst slice", "where", "bounds")
    for pair in testimony.pairs:
        table.add_row(
            f"{pair.first} – {pair.second}",
            f"{pair.relative_l2:.1e}",
            f"{pair.worst_slice:.1e}",
            printable(pair.place),
            f"{pair.bounds[0]:.1e}, {pair.bounds[1]:.1e}",
            style=None if pair.agree else "red",
        )
    new_console().print(table)
