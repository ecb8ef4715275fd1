"""``mobileo-export compress-plan``: which matrix gets how many bits, by what it does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli import options, sources
from mobileo_export.cli.component_options import Only
from mobileo_export.cli.output import new_console, new_table, print_json, progress_display
from mobileo_export.errors import UsageError
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.sensitivity.run import ComponentOutcome, PlannedCompression

_LONGEST_PROMPTS = 1 << 20  # bytes


def command(
    *,
    checkpoint: options.Checkpoint,
    size: Annotated[
        str, typer.Option(help="The most that the whole bundle may have, such as 1.2GB.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The plan to write, a .json.")],
    only: Only = None,
    samples: Annotated[
        int, typer.Option(help="Pictures to draw; every third is edited too.", min=1)
    ] = 6,
    prompts: Annotated[
        Path | None,
        typer.Option(help="A file with captions to draw, one a line, instead of the built-in."),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="Round matrices of 4 bits and below for what reaches them."
        ),
    ] = False,
    compare: Annotated[
        bool, typer.Option(help="Measure the plan too, beside the same bits everywhere.")
    ] = True,
    weights: options.Weights = "released",
    revision: options.Revision = None,
    offline: options.Offline = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Choose how each matrix is stored, so that a bundle fits a size at the least cost.

    The checkpoint's own PyTorch modules draw, edit and answer; what each matrix and scheme does to
    what a component makes is told from gradients, and the best plan under the size is written. What
    was measured stays in OUTPUT.work: an interrupted command goes on, another size takes seconds.
    Export with --compression OUTPUT. With --only, other components stay as exact stores them.
    """
    from dataclasses import replace

    from mobileo_export import components as registry
    from mobileo_export.export.machine import parse_bytes
    from mobileo_export.processes import extras
    from mobileo_export.sensitivity import run

    quiet = quiet or json
    selected = registry.select(only)
    most = parse_bytes(size)
    captions = _captions(prompts, samples)
    _check_beside(output)
    extras.need("measuring", extras.REFERENCE)
    opened = sources.resolve(checkpoint, revision, offline, quiet).checkpoint
    exact, folders = _sizes(opened, selected, weights)
    request = run.PlanRequest(
        opened,
        selected,
        most,
        exact,
        folders,
        weights,
        captions,
        compare=compare,
        calibrate=calibrate,
    )
    with progress_display(quiet, ["sample", *(spec.name for spec in selected)]) as on_progress:
        planned = run.make(request, output, on_progress)
    replace(planned.plan, path=output).check(opened.model)
    write(planned, output)
    if json:
        print_json(as_json(planned, output))
    else:
        _show(planned, output)


def _check_beside(output: Path) -> None:
    """Refuse to take the place of a file that is none of a plan's."""
    from mobileo_export.compression import plan, rounded

    beside = plan.beside(output)
    if beside.exists() and not rounded.is_ours(beside):
        raise UsageError(
            f"{beside}: is where rounded matrices of {output.name} lie, and no such file; give the "
            "plan another name"
        )


def write(planned: PlannedCompression, output: Path) -> None:
    """The plan, patterns in order, and beside it what was rounded."""
    import json
    from dataclasses import replace

    from mobileo_export.bundle import durable
    from mobileo_export.compression import plan, rounded

    beside = plan.beside(output)
    found = rounded.write(beside, planned.rounded, planned.sources) if planned.rounded else None
    if found is None:
        beside.unlink(missing_ok=True)  # of an earlier plan of this name
    content = replace(planned.plan, rounded=found).content()
    durable.write_text(output, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def as_json(planned: PlannedCompression, output: Path) -> dict[str, Any]:
    """What was planned, for ``--json``; errors are relative."""

    def outcome(found: ComponentOutcome) -> dict[str, Any]:
        return {
            "weights": found.weights,
            "bits_per_weight": round(found.bits / found.weights, 3),
            "bytes": math.ceil(found.bits / 8),
            "calibrated": len(planned.rounded.get(found.component, ())),
            "predicted_error": math.sqrt(found.predicted),
            "measured_error": None if found.measured is None else math.sqrt(found.measured),
            "uniform": {
                str(bits): {"bytes": math.ceil(s.bits / 8), "measured_error": math.sqrt(s.error)}
                for bits, s in found.uniform.items()
                if s.error is not None
            },
        }

    found = {item.component: outcome(item) for item in planned.outcomes}
    return {"plan": str(output), "bytes": planned.bytes, "components": found}


def _captions(path: Path | None, count: int) -> tuple[str, ...]:
    from mobileo_export.pipelines.tokens import check_text
    from mobileo_export.sensitivity.prompts import CAPTIONS

    if path is None:
        if count > len(CAPTIONS):
            raise UsageError(
                f"--samples {count}: there are {len(CAPTIONS)} built-in captions; give --prompts"
            )
        return CAPTIONS[:count]
    try:
        if path.stat().st_size > _LONGEST_PROMPTS:
            raise UsageError(f"--prompts {path}: is larger than a megabyte; name a text file")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--prompts {path}: cannot be read: {error}") from error
    found = tuple(line.strip() for line in lines if line.strip())
    for line in found:
        check_text(line)
    if len(found) < count:
        raise UsageError(f"--prompts {path}: has {len(found)} captions, --samples asks for {count}")
    return found[:count]


def _sizes(
    checkpoint: Checkpoint, selected: Iterable[ComponentSpec], weights: Weights
) -> tuple[int, dict[int, int]]:
    """Bytes of an exact bundle without the language model, and of that by bits.

    The bundle states a rule for each matrix of what is ``selected``, as many as a plan can need.
    """
    from dataclasses import replace

    from mobileo_export import components
    from mobileo_export.compression.plan import EXACT, CompressionPlan, matrices
    from mobileo_export.converters.options import Options
    from mobileo_export.export import plan
    from mobileo_export.sensitivity import language_model

    (llm,) = components.select(language_model.NAME)
    packages = (spec for spec in selected if spec != llm)
    rules = {spec.name: dict.fromkeys(matrices(spec, checkpoint.model), EXACT) for spec in packages}
    stated = CompressionPlan("exact", rules)
    every = Options(components.select(None), weights=weights, compression=stated)
    plan.check(checkpoint, every)  # of the language model alone it asks nothing else
    whole = plan.together(plan.estimates(checkpoint, every))
    (own,) = (item.bytes for item in whole.components if item.component == llm.name)

    def folder(bits: int) -> int:
        (alone,) = plan.estimates(checkpoint, replace(every, components=(llm,), llm_bits=bits))
        return alone.bytes

    return whole.bytes - own, {bits: folder(bits) for bits in language_model.BITS}


def _show(planned: PlannedCompression, output: Path) -> None:
    table = new_table("component", "bits a weight", "bytes", "predicted", "measured", "uniform")
    for found in planned.outcomes:
        table.add_row(
            found.component,
            f"{found.bits / found.weights:.2f}",
            bytes_text(found.bits / 8),
            _percent(found.predicted),
            _percent(found.measured),
            _beside(found),
        )
    new_console().print(table)
    print(
        f"wrote {output}: a bundle of {bytes_text(planned.bytes)} at most; "
        f"mobileo-export export … --compression {output}"
    )


def _beside(found: ComponentOutcome) -> str:
    stands: Iterable[str] = (
        f"{bits}: {_percent(stand.error)} in {bytes_text(stand.bits / 8)}"
        for bits, stand in found.uniform.items()
    )
    return ", ".join(stands)


def _percent(squared: float | None) -> str:
    return "" if squared is None else f"{math.sqrt(squared):.2%}"
