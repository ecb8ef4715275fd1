"""``mobileo-export verify``: is a bundle what was sealed, and does it compute what it should?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mobileo_export.cli.output import (
    bytes_text,
    new_console,
    new_table,
    print_error,
    print_json,
    printable,
    progress_display,
)
from mobileo_export.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from mobileo_export.parity.results import Comparison

_LOG_WIDTH = 150  # of the table where there is no terminal to measure


def command(
    *,
    bundle: Annotated[Path, typer.Argument(help="A bundle.")],
    checkpoint: Annotated[
        str | None,
        typer.Option(help="The checkpoint it was made from (folder or hub id): compare with it."),
    ] = None,
    component: Annotated[
        str | None, typer.Option(help="Comma-separated components to compare; all by default.")
    ] = None,
    runtime: Annotated[
        Literal["auto", "mil", "coreml", "mlx", "mlx-dequantized"],
        typer.Option(
            help="What runs the packages (mil anywhere, coreml on macOS) or the language model "
            "(mlx-dequantized anywhere, mlx); the rest is left to auto."
        ),
    ] = "auto",
    compute_units: Annotated[
        Literal["all", "cpu_only", "cpu_and_gpu", "cpu_and_ne"] | None,
        typer.Option(help="For Core ML; those of the manifest by default."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder to write report.json and junit.xml to.")
    ] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Replay the golden trace in the bundle; no checkpoint."),
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use the hub cache only.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Check a bundle against its manifest, and with --checkpoint against PyTorch.

    Every file must be there with the contents that were sealed, and nothing else. With
    --checkpoint every artifact is run from its files and compared with the checkpoint's own
    modules; each comparison must lie within its gate, and each gate must notice damage. With
    --replay the calls that were recorded into the bundle are run again on its artifacts.
    """
    from dataclasses import asdict

    from mobileo_export.bundle import manifest, seal

    if replay and (checkpoint is not None or report):
        raise UsageError(
            "--replay takes all it needs from the bundle: leave out --checkpoint and --report"
        )
    options = component or report or compute_units or runtime != "auto"
    if checkpoint is None and not replay and options:
        raise UsageError(
            "--component, --runtime, --compute-units and --report go with --checkpoint: "
            "name the checkpoint to compare with"
        )
    content = manifest.read(bundle)
    problems = seal.verify(bundle, content)
    result: dict[str, Any] = {"bundle": str(bundle), "problems": [asdict(p) for p in problems]}
    if problems:
        if json:
            print_json(result)
        else:
            for problem in problems:
                print(printable(f"{problem.kind:<10} {problem.path}  ({problem.detail})"))
        raise CheckFailedError(
            f"{bundle}: {len(problems)} of its files are not as sealed; export or download it again"
        )
    if not json:
        size = sum(int(item["size"]) for item in content["files"])
        print(f"{bundle}: {len(content['files'])} files, {bytes_text(size)}, all as sealed")
    if replay:
        _replay(bundle, component, runtime, compute_units, result, json, quiet or json)
        return
    if checkpoint is None:
        if json:
            print_json(result)
        return
    comparison = _compare(
        bundle, content, checkpoint, component, runtime, compute_units, offline, quiet or json
    )
    _conclude(comparison, result, report, json)


def _replay(
    bundle: Path,
    component: str | None,
    runtime: str,
    compute_units: str | None,
    result: dict[str, Any],
    json: bool,
    quiet: bool,
) -> None:
    """Replay, show what was found; exit code 1 unless everything is within its gate."""
    from mobileo_export import components
    from mobileo_export.parity.golden.replay import replay

    chosen = components.select(component)
    titles = {spec.name: spec.title for spec in chosen}
    with progress_display(quiet, titles) as show:
        found = replay(bundle, runtime, compute_units, chosen, show)
    failures = found.failures()
    if json:
        print_json({**result, "replay": found.as_json()})
    else:
        _show(found.comparison)
        same = sum(check.problem is None for check in found.checks)
        print(f"of {len(found.checks)} steps and small parts between them {same} are as recorded")
        for line in failures:
            print_error(line)
    if not found.ok:
        raise CheckFailedError(
            f"{bundle}: does not compute what was recorded ({len(failures)} checks failed)"
        )


def _compare(
    bundle: Path,
    content: dict[str, Any],
    checkpoint: str,
    component: str | None,
    runtime: str,
    compute_units: str | None,
    offline: bool,
    quiet: bool,
) -> Comparison:
    from mobileo_export import components, hub
    from mobileo_export.parity.compare import compare_bundle

    chosen = components.select(component) if component is not None else None
    source = content["source"]
    revision = source["revision"] if source["name"] == checkpoint else None
    opened = hub.resolve(checkpoint, revision, offline, quiet).checkpoint
    titles = {spec.name: spec.title for spec in chosen or components.select(None)}
    with progress_display(quiet, titles) as show:
        return compare_bundle(bundle, opened, chosen, runtime, compute_units, show)


def _conclude(
    comparison: Comparison, result: dict[str, Any], folder: Path | None, json: bool
) -> None:
    """Show and write what was found; exit code 1 unless everything holds."""
    from mobileo_export.parity import report

    written = report.write(comparison, folder) if folder is not None else ()
    if json:
        print_json({**result, "parity": report.as_json(comparison)})
    else:
        _show(comparison)
        for path in written:
            print(f"wrote {path}")
    if not comparison.components:
        reasons = "; ".join(f"{skip.component}: {skip.reason}" for skip in comparison.skipped)
        raise UsageError(f"{comparison.bundle}: nothing could be compared ({reasons})")
    failures = comparison.failures()
    if not json:
        for line in failures:
            print_error(line)
    if not comparison.ok:
        raise CheckFailedError(
            f"{comparison.bundle}: does not compute what {comparison.checkpoint} computes "
            f"({len(failures)} checks failed)"
        )


def _show(comparison: Comparison) -> None:
    from mobileo_export.parity.report import COLUMNS, table_rows

    console, table = new_console(), new_table(*COLUMNS)
    for row in table_rows(comparison):
        table.add_row(*map(printable, row))
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    console.print(table)
    for skip in comparison.skipped:
        print(f"skipped {skip.component}: {skip.reason}")
    noticed, total = comparison.controls()
    names = {component.gate.component for component in comparison.components}
    cases = sum(len(component.cases) for component in comparison.components)
    print(
        f"{len(names)} components, {cases} cases, {len(comparison.skipped)} "
        f"skipped; of {total} outputs damaged on purpose the gates rejected {noticed}"
    )
