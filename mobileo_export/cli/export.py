"""``mobileo-export export``: a checkpoint in, a sealed bundle out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mobileo_export import targets
from mobileo_export.cli import record, sources
from mobileo_export.cli.component_options import Only
from mobileo_export.cli.options import Checkpoint, Json, Offline, Quiet, Revision
from mobileo_export.cli.output import (
    new_console,
    new_table,
    print_error,
    print_json,
    print_note,
    print_warning,
    progress_display,
    say,
)
from mobileo_export.errors import UsageError
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from mobileo_export.components import Precision
    from mobileo_export.export.plan import Plan
    from mobileo_export.export.run import Result
    from mobileo_export.parity.golden.record import Recorded


_PRECISIONS: dict[str, Precision] = {
    "float32": "float32",
    "fp32": "float32",
    "float16": "float16",
    "fp16": "float16",
}


def command(
    *,
    checkpoint: Checkpoint,
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle to write.")],
    only: Only = None,
    target: Annotated[
        targets.Choice,
        typer.Option(
            help=f"{'; '.join(f'{t.title} for {t.name}' for t in targets.TARGETS.values())}."
        ),
    ] = targets.DEFAULT,
    precision: Annotated[
        Literal["float32", "float16", "fp32", "fp16"] | None,
        typer.Option(
            help="What packages and graphs compute in: float32 by default, for mlx float16."
        ),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(
            help="How weights are stored: none (as computed with), exact (in half the bytes where "
            "that changes no bit), w8, small, or the JSON file of a plan. By default exact; for "
            "mlx w8, of float32 none; for coreai none.",
        ),
    ] = None,
    llm_bits: Annotated[
        Literal["8", "6", "5", "4", "16"] | None,
        typer.Option(
            help="Bits a weight of the language model; 16 is float16, the plan's or 8 by default."
        ),
    ] = None,
    llm_group_size: Annotated[
        Literal["32", "64", "128"] | None,
        typer.Option(help="How many weights share a scale; the plan's or 64 by default."),
    ] = None,
    llm_exception: Annotated[
        list[str] | None,
        typer.Option(
            help="Other bits for the layers that match, such as lm_head=16; in place of the plan's."
        ),
    ] = None,
    layers_per_engine: Annotated[
        int | None,
        typer.Option(help="Split the language model into graphs of so many layers.", min=1),
    ] = None,
    precision_plan: Annotated[
        Path | None,
        typer.Option(help="A JSON file that says what of float16 graphs stays float32."),
    ] = None,
    weights: Annotated[
        Literal["released", "post-trained"],
        typer.Option(help="Take top-level weights, or the nested copies of post-training."),
    ] = "released",
    revision: Revision = None,
    offline: Offline = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and estimate; write nothing.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a bundle of ours at OUTPUT.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Take nothing over from an earlier export.")
    ] = False,
    max_memory: Annotated[
        str | None,
        typer.Option(help="Stay below this much memory, such as 2GB; by default all there is."),
    ] = None,
    golden: Annotated[
        bool, typer.Option("--golden", help="Record a golden trace and parity figures afterwards.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the libraries print.")
    ] = False,
) -> None:
    """Convert a checkpoint into a sealed bundle.

    A bundle is a folder with a manifest and, for iOS, four Core ML packages and an MLX folder; for
    mlx an MLX folder for each component; for a Jetson ONNX graphs; for coreai Core AI assets. Runs
    on Linux and macOS. What the libraries print goes to OUTPUT.log. What an interrupted export has
    finished stays in OUTPUT.partial; the same command continues.
    """
    from mobileo_export import components
    from mobileo_export.compression.plan import LanguageModelBits
    from mobileo_export.compression.plan import load as load_plan
    from mobileo_export.export import run as export
    from mobileo_export.export.machine import parse_bytes
    from mobileo_export.processes import extras

    quiet = quiet or json
    selected = components.select(only)
    chosen_target = targets.TARGETS[target]
    computed = _PRECISIONS[precision] if precision else chosen_target.precision
    stored = load_plan(compression or chosen_target.compression[computed], target)
    llm = stored.language_model or LanguageModelBits()
    jobs = [spec.name for spec in selected]
    limit = None if max_memory is None else parse_bytes(max_memory)
    options = export.Options(
        components=selected,
        target=target,
        weights=weights,
        precision=computed,
        compression=stored,
        llm_bits=int(llm_bits or llm.bits),
        llm_group_size=int(llm_group_size or llm.group_size),
        llm_exceptions=parse_exceptions(llm_exception) if llm_exception else llm.exceptions,
        layers_per_engine=layers_per_engine,
        precision_plan=_read_plan(precision_plan),
    )
    export.check(output, options, overwrite)
    if golden:
        extras.need("recording", extras.REFERENCE)
    if dry_run and sources.tell_pending(checkpoint, revision, offline, output, json):
        return
    source = sources.resolve(checkpoint, revision, offline, quiet)
    options = replace(options, source_name=source.name, source_revision=source.revision)
    chosen: dict[str, Any] = {"overwrite": overwrite, "fresh": fresh, "max_memory": limit}
    if dry_run:
        plan = export.preflight(source.checkpoint, output, options, **chosen)
        _show_plan(plan, source.checkpoint.path, output, golden, json)
        return
    log = None if verbose else output.with_name(output.name + ".log")
    try:
        with progress_display(quiet, jobs) as show:
            result = export.export(
                source.checkpoint, output, options, log=log, progress=show, **chosen
            )
    except export.ComponentsFailedError as error:
        _tell_kept(output)
        for failure in error.failures[:-1]:
            print_error(str(failure))
        raise error.failures[-1] from None
    except UsageError:  # nothing was begun, or by somebody else
        raise
    except BaseException:  # an interruption too
        _tell_kept(output)
        raise
    for warning in result.warnings:
        print_warning(warning)
    recorded = None
    if golden:
        from mobileo_export.parity.golden.record import STEPS

        recorded = record.run(output, source.checkpoint, STEPS, True, quiet)
    _show_result(result, source.checkpoint.path, recorded, json, verbose)


def _tell_kept(output: Path) -> None:
    """Say what an export that ended early leaves behind, and what can be done with it."""
    from mobileo_export.bundle.workspace import partial_of
    from mobileo_export.export import resume

    kept = resume.names(output)
    if kept:
        print_note(
            f"{', '.join(kept)}: finished, and kept in {partial_of(output)}; the same command "
            "continues from there, --fresh begins anew, or delete the folder"
        )


def _read_plan(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    from mobileo_export.converters.onnx.precision import read_plan

    return dict(read_plan(path))


def parse_exceptions(items: list[str]) -> dict[str, int]:
    """``["lm_head=16"]`` as ``{"lm_head": 16}``.

    Raises:
        UsageError: an item is not PATTERN=BITS, of bits that there are.
    """
    exceptions = {}
    for item in items:
        pattern, _, bits = item.rpartition("=")
        if not pattern or bits not in {"4", "5", "6", "8", "16"}:
            raise UsageError(
                f"--llm-exception {item!r}: expected PATTERN=BITS with 4, 5, 6, 8 or 16"
            )
        exceptions[pattern] = int(bits)
    return exceptions


def _show_plan(plan: Plan, checkpoint: Path, output: Path, golden: bool, json: bool) -> None:
    if json:
        from dataclasses import asdict

        places = {"checkpoint": str(checkpoint), "output": str(output)}
        print_json({**places, "golden": golden, **asdict(plan)})
        return
    table = new_table("component", "artifact", "size", "peak memory", "time")
    for item in plan.components:
        table.add_row(
            item.component,
            item.artifact,
            bytes_text(item.bytes),
            bytes_text(item.peak_memory),
            "finished" if item.component in plan.reused else f"~{item.seconds:.0f} s",
        )
    total = (bytes_text(plan.bytes), bytes_text(plan.peak_memory), f"~{plan.seconds:.0f} s")
    table.add_row("all", "", *total)
    say(f"would write {output}, from {checkpoint}")
    new_console().print(table)
    if golden:
        say("would then record a golden trace and parity figures")


def _show_result(
    result: Result,
    checkpoint: Path,
    recorded: Recorded | None,
    json: bool,
    verbose: bool = False,
) -> None:
    from dataclasses import asdict

    from mobileo_export.bundle import manifest

    files = [(file.path, file.size) for file in result.manifest.files]
    sizes = {
        name: manifest.artifact_bytes(files, entry.artifacts[0].path)
        for name, entry in result.manifest.components.items()
    }
    total = sum(file.size for file in result.manifest.files)
    if json:
        report: dict[str, Any] = {
            "output": str(result.output),
            "checkpoint": str(checkpoint),
            "seconds": round(result.seconds, 2),
            "bytes": total,
            "components": sizes,
            "reused": list(result.reused),
            "peak_memory": result.peaks,
            "warnings": list(result.warnings),
        }
        if recorded is not None:
            report["golden"] = record.as_json(recorded)
        print_json(report)
        return
    for name, entry in result.manifest.components.items():
        artifact = entry.artifacts[0]
        stored = manifest.weights_text(asdict(artifact))
        line = f"{artifact.path:<26} {bytes_text(sizes[name]):>9}  {stored:<20}"
        if name in result.reused:
            line += "  finished before"
        elif verbose and name in result.peaks:
            line += f"  {bytes_text(result.peaks[name])} of memory"
        say(line.rstrip())
    say(f"sealed {result.output}: {bytes_text(total)} in {result.seconds:.0f} s")
    if recorded is not None:
        record.show(recorded)
