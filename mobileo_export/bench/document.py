"""A benchmark on this machine: opened, measured, and the document that it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__
from mobileo_export.bench import machine, machine_peak
from mobileo_export.bench.heat import ThermalWatch
from mobileo_export.bench.loaded import LoadedComponents, fits
from mobileo_export.bench.measurement import drift_text, report
from mobileo_export.bench.published import PAPER
from mobileo_export.bench.run import Bench, Settings
from mobileo_export.bench.subject import BundleSubject, CheckpointSubject
from mobileo_export.bench.workload import WorkSizes
from mobileo_export.bundle import manifest
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import MobileoError, UsageError
from mobileo_export.json_file import json_ready
from mobileo_export.parity import compare
from mobileo_export.parity.cases import PROMPT, QUESTION
from mobileo_export.runtimes import registry, tf32

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.bench.subject import BenchSubject
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.checkpoint.hub import FoundCheckpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.processes.host import Host

_MAC = "MacBook M2 Pro"


def prepare(
    bundle: Path,
    runtime: str,
    chosen: Iterable[ComponentSpec] | None,
    compute_units: str | None,
    settings: Settings,
    keep: bool | None = None,
) -> Bench:
    """A benchmark that is ready to run; whatever keeps it from running is found here.

    Args:
        bundle: a sealed bundle.
        runtime: ``auto`` or one of ``runtimes.select.RUNTIMES``, for what it can execute.
        chosen: the components; None for all that the bundle holds.
        compute_units: of Core ML; None for those that the manifest names.
        settings: how often.
        keep: hold all components in memory; None for whether their weights fit.

    Raises:
        BundleError: it is no bundle, or lacks a component that was chosen.
        UsageError: ``runtime`` executes none of the artifacts, or the units do not go with it.
        RuntimeUnavailableError: a runtime cannot run on this machine.
    """
    settings.check()
    content = manifest.read(bundle)
    if runtime == registry.REFERENCE:
        raise UsageError(
            f"{bundle}: --runtime torch measures the references of a checkpoint; run bench "
            f"{content['source']['name'] or 'CHECKPOINT'}, which the bundle was made from"
        )
    specs = None if chosen is None else tuple(chosen)
    kinds = compare.runtimes(bundle, content, specs, runtime, compute_units)
    bench = _ready(BundleSubject(bundle, content, kinds, runtime, compute_units), settings, keep)
    absent = [name for name in COMPONENTS if name not in content["components"]]
    if absent:
        bench.notes.append(f"the bundle has no {' and no '.join(absent)}")
    return bench


def prepare_reference(
    found: FoundCheckpoint,
    weights: Weights,
    chosen: Iterable[ComponentSpec] | None,
    settings: Settings,
) -> Bench:
    """A benchmark of a checkpoint's PyTorch references that is ready to run.

    Args:
        found: the checkpoint, opened.
        weights: which of its two sets.
        chosen: the components; None for all.
        settings: how often.

    Raises:
        CheckpointError: it lacks a component, or is damaged.
        UsageError: it does not have these weights.
        RuntimeUnavailableError: PyTorch is not installed.
    """
    settings.check()
    registry.check_available([registry.REFERENCE])
    found.checkpoint.require_weights(weights)
    specs = tuple(COMPONENTS.values() if chosen is None else chosen)
    for spec in specs:
        spec.check(found.checkpoint)
    kinds = {spec.name: registry.REFERENCE for spec in specs}
    return _ready(CheckpointSubject(found, weights, kinds), settings, None)


def _ready(subject: BenchSubject, settings: Settings, keep: bool | None) -> Bench:
    from mobileo_export.processes.host import Host

    kinds, host = subject.runtimes, Host()
    components = LoadedComponents(subject, fits(subject) if keep is None else keep)
    return Bench(
        components,
        subject.model() if "llm" in kinds else None,
        settings,
        PAPER[_MAC] if machine.is_mac() and not _on_host(kinds) else {},
        heat=ThermalWatch(lambda: machine.thermal_state(host)),
    )


def measured_here(
    bench: Bench,
    host: Host,
    before: machine.Reading,
    self_test: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document of a benchmark on a Mac or a PC, which was ``before`` when it began."""
    after = machine.reading(host)
    telemetry = {"before": asdict(before), "after": asdict(after), **bench.meter.as_json()}
    notes = _changes(before, after)
    described = {**machine.describe(host), "peak": bench.peak}
    return document(bench, "mobileo-export", described, telemetry, notes, self_test=self_test)


def document(
    bench: Bench,
    program: str,
    described: Mapping[str, Any],
    telemetry: Mapping[str, Any] | None,
    notes: Iterable[str] = (),
    self_test: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What was measured until now, as ``bench/results.schema.json`` has it.

    Args:
        bench: done, or interrupted.
        program: which measured.
        described: the machine.
        telemetry: memory, power and heat meanwhile.
        notes: what a reader should know of the machine.
        self_test: what :func:`replay` found.
    """
    kinds = bench.components.runtimes
    work = _work(bench) if bench.ended is None else None  # counting takes seconds
    notes = [*bench.notes, *_elsewhere(bench), *drifts(bench), *notes]
    hosted = _on_host(kinds)
    if hosted:
        notes.append(
            f"run by {' and '.join(hosted)} on the processor: no measure of the device that "
            "bundles are made for, nor are the paper's figures one of this"
        )
    subject = bench.components.subject
    found = report(
        program=program,
        version=__version__,
        runtime=", ".join(dict.fromkeys(kinds.values())),
        **subject.identity,
        machine=dict(described),
        settings=stated(bench),
        measurements=bench.measurements,
        telemetry=None if telemetry is None else dict(telemetry),
        notes=notes,
        failures=bench.failures,
        incomplete=bench.ended,
        self_test=self_test,
        work=work,
    )
    plain: dict[str, Any] = json_ready(found)
    return plain


def stated(bench: Bench) -> dict[str, Any]:
    """What decides how long it takes and can be set: numbers, texts, runtimes, units."""
    components, drawing = bench.components, bench.drawing
    units = {name: components.subject.units(name) for name in components.runtimes}
    found: dict[str, Any] = {
        **asdict(bench.settings),
        "steps": drawing.steps,
        "guidance": drawing.guidance,
        "evaluations": drawing.steps * bench.branches,
        "prompt": PROMPT,
        "question": QUESTION,
        "prompt_tokens": bench.length,
        "resident": components.keep,
        "runtimes": dict(components.runtimes),
        "compute_units": {name: unit for name, unit in units.items() if unit},
    }
    if any(registry.ENTRIES[name].metal for name in components.runtimes.values()):
        found["mlx_tf32"] = tf32.is_on()
    return found


def _work(bench: Bench) -> dict[str, Any] | None:
    """What the stages compute and read; None, and said, where it cannot be counted here."""
    drawing = bench.drawing
    sizes = WorkSizes(bench.length, bench.question, drawing.steps, bench.branches)
    try:
        found = bench.components.subject.count(sizes).as_json()
    except MobileoError as error:
        bench.notes.append(f"no limits beside the figures: {error}")
        return None
    for stage in found["stages"]:
        for part in stage["parts"]:
            # Of single operations, which is long and of no use to a floor.
            part["work"] = {key: {**call, "profile": ()} for key, call in part["work"].items()}
    return found


def drifts(bench: Bench) -> list[str]:
    """Stages whose runs became slower or faster, a line each."""
    lines = (drift_text(item.name, item.unit, item.counted) for item in bench.measurements)
    return [line for line in lines if line]


def interrupted(bench: Bench, error: BaseException) -> None:
    """Say in ``bench`` what ended it, where that is an error of ours."""
    if isinstance(error, MobileoError):
        bench.ended = f"{bench.ended}: {error}"


def find_peak(bench: Bench) -> None:
    """Measure what this processor does at most, if it ran a component: the limit of that."""
    if _on_host(bench.components.runtimes):
        bench.ended = "in the measurement of the processor's peak"
        bench.peak = machine_peak.measure().as_json()
        bench.ended = None


def replay(bench: Bench, chosen: Iterable[ComponentSpec] | None) -> Mapping[str, Any] | None:
    """What a replay of the bundle's golden trace finds on what was measured; None without one."""
    bench.ended = "in the replay of the golden trace"
    found = bench.components.subject.replay(chosen, bench.progress)
    bench.ended = None
    return found


def _on_host(kinds: Mapping[str, str]) -> list[str]:
    """The runtimes that are no device's, or not here."""
    entries = {name: registry.ENTRIES[name] for name in kinds.values()}
    return [n for n, e in entries.items() if e.exact or (e.metal and not machine.is_mac())]


def _elsewhere(bench: Bench) -> list[str]:
    """Stages without a run under the thermal state of the beginning, a line for each other."""
    return [
        f"no run is set apart of {', '.join(names)}: the thermal state was {states} in all of "
        f"them, and {bench.heat.first} at the start"
        for states, names in bench.hot.items()
    ]


def _changes(before: machine.Reading, after: machine.Reading) -> list[str]:
    """What was another machine in the end."""
    lines = []
    for key, what in (
        ("thermal_state", "the thermal state"),
        ("power_source", "the source of power"),
        ("low_power_mode", "Low Power Mode"),
    ):
        first, last = getattr(before, key), getattr(after, key)
        if first != last:
            lines.append(f"{what} went from {first} to {last} meanwhile")
    return lines
