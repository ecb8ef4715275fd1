"""``mobileo-export bench``: what each stage of a bundle or checkpoint takes on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mobileo_export import whole_file
from mobileo_export.cli import options, sources
from mobileo_export.cli.component_options import Only
from mobileo_export.cli.output import (
    new_console,
    new_table,
    print_error,
    print_json,
    print_warning,
    progress_display,
    say,
)
from mobileo_export.cli.rules import is_bundle
from mobileo_export.errors import CheckFailedError, UsageError
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from mobileo_export.bench.run import Bench


def command(
    *,
    source: options.Source,
    runtime: Annotated[
        registry.Choice,
        typer.Option(help="What replaces auto (Core ML and MLX on a Mac) for all that it can run."),
    ] = "auto",
    weights: options.Weights = "released",
    compute_units: Annotated[
        Literal["all", "cpu_only", "cpu_and_gpu", "cpu_and_ne"] | None,
        typer.Option(help="What Core ML may use; the manifest's by default."),
    ] = None,
    only: Only = None,
    runs: Annotated[int, typer.Option(help="Measured runs of each stage.")] = 10,
    warmups: Annotated[int, typer.Option(help="Runs before them that do not count.")] = 2,
    image_runs: Annotated[
        int | None, typer.Option(help="Measured pictures; as many as --runs by default.")
    ] = None,
    image_warmups: Annotated[int, typer.Option(help="Pictures that do not count.")] = 1,
    tokens: Annotated[int, typer.Option(help="Tokens after the first, for tokens a second.")] = 64,
    steps: options.Steps = None,
    replay: Annotated[
        bool, typer.Option(help="Replay the bundle's golden trace behind it, if it has one.")
    ] = True,
    limits: Annotated[
        bool, typer.Option("--limits", help="Measure nothing; tell the least time on known chips.")
    ] = False,
    device: Annotated[
        list[str] | None, typer.Option(help="The chip or device for --limits; all by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The .json to write.")
    ] = None,
    offline: options.Offline = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure every stage on this machine: vision, first token, tokens, transformer, a picture.

    A bundle is measured on Core ML and MLX on a Mac, on what executes it anywhere else; a
    checkpoint on PyTorch in float32, the reference, to stand beside it. Each component is loaded
    cold and again; each stage runs on arrays that are made before, and gives median, 95th
    percentile, mean and deviation of the runs behind its warm-ups. What is not finite is a failure
    and no figure. An interrupt keeps what was measured. Definitions stand in the JSON and in
    docs/latency.md; bench-report puts results of devices beside each other.
    """
    place = sources.local(source, offline, quiet or json)
    of_bundle = is_bundle(Path(place))
    if limits:
        if not of_bundle:
            raise UsageError(
                f"{source}: is no bundle; --limits counts what is saved: export the checkpoint and "
                "name the bundle"
            )
        _limits(Path(place), tuple(device or ()), steps, json, quiet)
        return
    from mobileo_export import components
    from mobileo_export.bench import document, machine
    from mobileo_export.bench.run import Settings
    from mobileo_export.processes.host import Host

    chosen = components.select(only) if only is not None else None
    settings = Settings(
        runs,
        warmups,
        runs if image_runs is None else image_runs,
        image_warmups,
        tokens,
        steps,
    )
    if of_bundle:
        if weights != "released":
            raise UsageError(f"{source}: --weights goes with a checkpoint; a bundle holds one set")
        bench = document.prepare(Path(place), runtime, chosen, compute_units, settings)
    else:
        _of_bundles_only(source, runtime, compute_units, replay)
        checkpoint = sources.resolve(place, None, offline, quiet or json)
        bench = document.prepare_reference(checkpoint, weights, chosen, settings)
    host = Host()
    before = machine.reading(host)
    tested = None
    try:
        with progress_display(quiet or json, _jobs(bench)) as show:
            bench.progress = show
            bench.run()
            bench.components.close()
            document.find_peak(bench)
            tested = document.replay(bench, chosen) if replay else None
    except BaseException as error:
        document.interrupted(bench, error)
        keep(document.measured_here(bench, host, before), output, json)
        raise
    finally:
        bench.components.close()
    found = document.measured_here(bench, host, before, tested)
    keep(found, output, json)
    judge(source, found)


def _of_bundles_only(source: str, runtime: str, compute_units: str | None, replay: bool) -> None:
    """Refuse, of a checkpoint, what only a bundle has a use for."""
    if runtime not in {registry.AUTO, registry.REFERENCE}:
        raise UsageError(
            f"{source}: a checkpoint is measured on the torch runtime only; export it and measure "
            f"the bundle with --runtime {runtime}"
        )
    if compute_units is not None:
        raise UsageError(f"--compute-units are Core ML's; {source} is measured on PyTorch")
    if not replay:
        raise UsageError(f"--no-replay is of a bundle's golden trace; {source} is no bundle")


def _limits(
    bundle: Path, devices: tuple[str, ...], steps: int | None, json: bool, quiet: bool
) -> None:
    """Count the work of every stage, and print its floor on each chip."""
    from mobileo_export.bench.limits import limits as limits_of
    from mobileo_export.bench.workload import WorkSizes
    from mobileo_export.bundle import manifest
    from mobileo_export.cli import limits_table
    from mobileo_export.pipelines import schedule

    if steps is not None:
        schedule.check_steps(steps)
    sizes = WorkSizes.of(manifest.read(bundle), steps=steps)
    with progress_display(quiet or json, ["counting"]) as progress:
        found = limits_of(bundle, devices, sizes, progress)
    if json:
        print_json(found.as_json())
    else:
        limits_table.show(found)


def _jobs(bench: Bench) -> list[str]:
    """What progress calls each stage that will be measured."""
    from mobileo_export.bench.stages import STAGES

    here = bench.components.runtimes
    names = [name for name, stage in STAGES.items() if all(c in here for c in stage.needs)]
    return ["loading", *names]


def keep(found: dict[str, Any], output: Path | None, json: bool) -> None:
    """Write and show what was measured, all of it or not."""
    if not (found["measurements"] or found["failures"]):
        return
    if output is not None:
        whole_file.write_json(output, found)
    if json:
        print_json(found)
    else:
        show(found)
    for line in found["notes"]:
        print_warning(line)
    if found["incomplete"] is not None:
        where = "shown" if output is None else f"in {output}, marked as incomplete"
        print_warning(f"ended {found['incomplete']}; what was measured is {where}")


def judge(source: str, found: dict[str, Any]) -> None:
    """Raise CheckFailedError where a stage gave no figure, or the replay found another model."""
    lines = list(found["failures"])
    if found["self_test"] is not None:
        lines += [f"replay: {line}" for line in found["self_test"]["failures"]]
    for line in lines:
        print_error(line)
    if lines:
        failures = f"{len(lines)} failure{'s' if len(lines) > 1 else ''}"
        raise CheckFailedError(
            f"{source}: a fast run that computes something else is no run ({failures})"
        )


def show(found: dict[str, Any]) -> None:
    """The document for people."""
    from mobileo_export.bench.device import MeasuredDevice, subject
    from mobileo_export.bench.device_limits import limits_of
    from mobileo_export.bench.measurement import digits

    telemetry = found["telemetry"] or {}
    memory = {"memory": telemetry.get("by_stage", {})}
    if "mlx_by_stage" in telemetry:
        memory["MLX's arrays"] = telemetry["mlx_by_stage"]
    head = ("measured", "median", "p95", "mean ± deviation", "limit", "of it", *memory, "paper")
    table = new_table(*head)
    limits = limits_of([MeasuredDevice("this", (), found)]).get("this", {})
    for item in found["measurements"]:
        spread = "" if item["deviation"] is None else f" ± {digits(item['deviation'])}"
        published = item["published"]
        limit = limits.get(item["name"])
        peaks = [told.get(item["name"]) for told in memory.values()]
        table.add_row(
            f"{item['name']} ({item['unit']})",
            digits(item["median"]),
            digits(item["p95"]),
            f"{digits(item['mean'])}{spread}",
            digits(limit.value) if limit else "",
            f"{limit.share:.0%}" if limit else "",
            *("" if peak is None else f"{peak:.0f} MB" for peak in peaks),
            f"{published['mean']:g} ± {published['deviation']:g}" if published else "",
        )
    new_console().print(table)
    stated = subject(found)["precision"]
    here = found["settings"].get("runtimes", stated)
    precision = ", ".join(f"{name} {kind}" for name, kind in stated.items() if name in here)
    say(f"{found['runtime']}; {precision}")
    usage = _usage(telemetry)
    if usage:
        say(usage)
    tested = found["self_test"]
    if tested is not None:
        calls = sum(component["calls"] for component in tested["components"])
        verdict = "as recorded" if tested["passed"] else "NOT as recorded"
        say(f"golden trace: {calls} calls replayed, {verdict}")
    elif "checkpoint" in found:
        say("fidelity does not apply: this is the reference that bundles are compared with")
    else:
        say("golden trace: not replayed, so nothing says that it computes what was recorded")


def _usage(seen: dict[str, Any]) -> str:
    """Memory, power and heat in a line, as far as the machine tells them."""
    told = (
        ("ram_peak", "of memory at most", "{:.0f} MB"),
        ("peak_footprint_mb", "of the process at most", "{:.0f} MB"),
        ("mlx_peak_mb", "of MLX's arrays at most, by its own counter", "{:.0f} MB"),
        ("power_mean", "on average", "{:.1f} W"),
        ("power_peak", "at most", "{:.1f} W"),
        ("temperature_peak", "at most", "{:.0f} °C"),
    )
    parts = [
        f"{form.format(seen[key])} {what}" for key, what, form in told if seen.get(key) is not None
    ]
    heat = [(seen.get(end) or {}).get("thermal_state") for end in ("before", "after")]
    if any(heat):
        parts.append(f"thermal state {heat[0]}, then {heat[1]}")
    return ", ".join(parts)
