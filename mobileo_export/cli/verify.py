"""``mobileo-export verify``: is a bundle what was sealed, and does it compute what it should?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mobileo_export.cli import comparison as shown
from mobileo_export.cli import sources
from mobileo_export.cli.component_options import Only
from mobileo_export.cli.options import AllFigures, Json, Offline, Quiet
from mobileo_export.cli.output import (
    print_error,
    print_json,
    print_note,
    progress_display,
    say,
)
from mobileo_export.errors import CheckFailedError, UsageError, printable
from mobileo_export.runtimes import registry
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.findings import Findings


def command(
    *,
    bundle: Annotated[str, typer.Argument(help="A bundle, or its hub id.")],
    checkpoint: Annotated[
        str | None,
        typer.Option(help="Compare with what it was made from: a folder, a hub id, miniature."),
    ] = None,
    only: Only = None,
    runtime: Annotated[
        registry.OfBundles,
        typer.Option(
            help="What runs packages (mil anywhere, coreml on macOS), MLX folders "
            "(mlx-dequantized anywhere, mlx), ONNX or Core AI assets (coreai); the rest is left to "
            "auto."
        ),
    ] = "auto",
    compute_units: Annotated[
        Literal["all", "cpu_only", "cpu_and_gpu", "cpu_and_ne"] | None,
        typer.Option(help="The compute units of Core ML; those of the manifest by default."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write report.html, report.json and junit.xml to this folder."),
    ] = None,
    chain: Annotated[
        bool,
        typer.Option(help="Also draw two pictures on both sides, whatever adds up on the way."),
    ] = True,
    steps: Annotated[
        int | None, typer.Option(help="Steps of those pictures; the recipe's (20) by default.")
    ] = None,
    mutations: Annotated[
        bool,
        typer.Option(
            "--mutations", help="Damage copies of the artifacts, and see that it is noticed."
        ),
    ] = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay", help="Replay the golden trace in the bundle, without a checkpoint."
        ),
    ] = False,
    self_test: Annotated[
        Path | None,
        typer.Option(help="Write what the replay found to this .json, for bench-report."),
    ] = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: AllFigures = False,
) -> None:
    """Check a bundle against its manifest, and with --checkpoint against PyTorch.

    Every file must be there with the contents that were sealed, and nothing else. With
    --checkpoint every artifact is run from its files and compared with the checkpoint's own
    modules; each comparison must lie within its gate, and each gate must notice damage. Two
    pictures are drawn on both sides from a prompt to the end, and a golden trace in the bundle is
    replayed. With --mutations copies of the artifacts are damaged in every way that tools go
    wrong, and run by mil and mlx-dequantized whatever --runtime says; one that nothing notices is
    a failure of the gates. --replay alone needs no checkpoint: the calls that were recorded into
    the bundle are run again on its artifacts, and --self-test writes what was found in the form of
    a device's self-test.
    """
    from dataclasses import asdict

    from mobileo_export import components
    from mobileo_export.bundle import manifest, seal
    from mobileo_export.processes import extras

    extras.need("--report", extras.PAGES if report is not None else ())
    folder = Path(sources.local(bundle, offline, quiet or json))
    content = manifest.read(folder)
    chosen = components.select(only) if only is not None else None
    kinds: dict[str, str] = {}
    if replay or checkpoint is not None:
        kinds = _runtimes(folder, content, chosen, runtime, compute_units, steps, mutations, replay)
    problems = seal.verify(folder, content)
    aside = seal.strays(folder, content)
    result: dict[str, Any] = {
        "bundle": str(folder),
        "problems": [asdict(p) for p in problems],
        "left_aside": aside,
    }
    if problems:
        lines = tuple(f"{p.kind:<10} {p.path}  ({p.detail})" for p in problems)
        if report is not None and checkpoint is not None:
            _report_unsealed(folder, checkpoint, content, kinds, lines, report)
        if json:
            print_json(result)
        else:
            for line in lines:
                say(line)
        raise CheckFailedError(
            f"{bundle}: {len(problems)} of its files are not as sealed; {seal.advice(problems)}"
        )
    if not json:
        size = sum(int(item["size"]) for item in content["files"])
        files = f"{len(content['files'])} files, {bytes_text(size)}"
        say(f"{bundle}: {files}, all as sealed", "green", part="all as sealed")
        if aside:
            say(printable(f"left aside, no part of the bundle: {', '.join(aside)}"))
    if replay:
        _replay(
            folder, chosen, runtime, compute_units, result, self_test, json, quiet or json, verbose
        )
        return
    if checkpoint is None:
        if json:
            print_json(result)
        return
    from mobileo_export.parity import findings

    opened = sources.of_bundle(content, checkpoint, offline, quiet or json)
    jobs = [spec.name for spec in chosen or components.select(None)]
    if chain and chosen is None:
        jobs.append("chain")
    with progress_display(quiet or json, jobs) as show:
        found = findings.find(
            folder,
            opened,
            chosen,
            runtime,
            compute_units,
            chained=chain,
            steps=steps,
            mutated=mutations,
            progress=show,
        )
    _conclude(found, result, report, content["tools"], json, verbose)


def _runtimes(
    bundle: Path,
    content: dict[str, Any],
    chosen: tuple[ComponentSpec, ...] | None,
    runtime: str,
    compute_units: str | None,
    steps: int | None,
    mutations: bool,
    replay: bool,
) -> dict[str, str]:
    """What each component will run on; whatever keeps it from running is found before any work."""
    if replay:
        from mobileo_export.parity import compare

        return compare.runtimes(bundle, content, chosen, runtime, compute_units)
    from mobileo_export.parity import findings
    from mobileo_export.processes import extras

    extras.need("comparing with a checkpoint", extras.REFERENCE)
    return findings.check(
        bundle, content, chosen, runtime, compute_units, steps=steps, mutated=mutations
    )


def _replay(
    bundle: Path,
    chosen: tuple[ComponentSpec, ...] | None,
    runtime: str,
    compute_units: str | None,
    result: dict[str, Any],
    self_test: Path | None,
    json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Replay, show what was found; exit code 1 unless everything is within its gate."""
    from mobileo_export import components
    from mobileo_export.parity.golden.replay import replay
    from mobileo_export.runtimes import tf32

    tf32.off()
    jobs = [spec.name for spec in chosen or components.select(None)]
    with progress_display(quiet, jobs) as show:
        found = replay(bundle, runtime, compute_units, chosen, show)
    if self_test is not None:
        from mobileo_export import whole_file
        from mobileo_export.bench.self_test import document

        whole_file.write_json(self_test, document(bundle, found))
    if json:
        print_json({**result, "replay": found.as_json()})
    shown.conclude_replay(str(bundle), found, verbose, json)


def _report_unsealed(
    bundle: Path,
    checkpoint: str,
    content: dict[str, Any],
    kinds: dict[str, str],
    lines: tuple[str, ...],
    folder: Path,
) -> None:
    """Write the report of a bundle that is not run, so that CI has something to show."""
    from mobileo_export.parity.findings import Findings
    from mobileo_export.parity.report import write as report
    from mobileo_export.parity.results import Comparison

    runtimes = ", ".join(dict.fromkeys(kinds.values()))
    weights = content["source"]["weights"]
    plain = tuple(" ".join(line.split()) for line in lines)
    found = Comparison(str(bundle), checkpoint, weights, runtimes, (), unsealed=plain)
    for path in report.write(Findings(found), folder, content["tools"]):
        print_note(f"wrote {path}")


def _conclude(
    found: Findings,
    result: dict[str, Any],
    folder: Path | None,
    tools: dict[str, str],
    json: bool,
    verbose: bool,
) -> None:
    """Show and write what was found; exit code 1 unless everything holds."""
    from mobileo_export.parity.report import write as report

    comparison = found.comparison
    written = report.write(found, folder, tools) if folder is not None else ()
    if json:
        print_json({**result, "parity": report.findings_json(found)})
    else:
        shown.show(comparison, verbose)
        shown.show_others(found, verbose)
        for path in written:
            say(f"wrote {path}")
    if not comparison.components:
        reasons = "; ".join(f"{skip.component}: {skip.reason}" for skip in comparison.skipped)
        raise UsageError(f"{comparison.bundle}: nothing could be compared ({reasons})")
    failures = found.failures()
    if not json:
        for line in failures:
            print_error(line)
    if not found.ok:
        raise CheckFailedError(
            f"Parity does not hold: {comparison.bundle} does not compute what "
            f"{comparison.checkpoint} computes ({len(failures)} checks failed)."
        )
    if not json:
        say(shown.verdict(comparison.bundle, found), "bold green")
