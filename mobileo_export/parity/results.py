"""What a comparison found, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__
from mobileo_export.bundle.schema import published
from mobileo_export.json_file import json_ready
from mobileo_export.runtimes import tf32
from mobileo_export.runtimes.registry import ENTRIES

if TYPE_CHECKING:
    from mobileo_export.parity.gates import Gate, Row
    from mobileo_export.parity.metrics import Metrics
    from mobileo_export.parity.profile import Profile

FORMAT, SCHEMA_VERSION = "mobileo-parity", 1
_NAMED = 3  # differences of stored values that a problem names


@dataclass(frozen=True)
class Control:
    """Something done wrong on purpose, and whether the gate rejected it."""

    damage: str
    noticed: bool


@dataclass(frozen=True)
class OutputResult:
    """One output of one case; ``problem`` when it could not even be measured.

    ``profiles`` show where its error lies, one for each family of slices.
    """

    name: str
    metrics: Metrics | None = None
    rows: tuple[Row, ...] = ()
    controls: tuple[Control, ...] = ()
    problem: str | None = None
    profiles: tuple[Profile, ...] = ()

    @property
    def ok(self) -> bool:
        """Measured, within every bound, and every control noticed."""
        return (
            self.problem is None
            and bool(self.rows)
            and all(row.holds for row in self.rows)
            and all(control.noticed for control in self.controls)
        )


@dataclass(frozen=True)
class CaseResult:
    """One case: its outputs and the seconds both sides took."""

    name: str
    outputs: tuple[OutputResult, ...]
    reference_seconds: float
    artifact_seconds: float | None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Every output is there and as it must be."""
        return self.problem is None and bool(self.outputs) and all(o.ok for o in self.outputs)


@dataclass(frozen=True)
class StoredValues:
    """A package's constants, compared with the checkpoint's tensors.

    Attributes:
        compared: tensors of floats that the checkpoint says the values of.
        equal: those that hold them.
        not_traced: the others, module and name: what a module computes from no tensor.
        traced_share: of the bytes of all such constants, those that were compared.
        settings: epsilons, kinds of GELU and of upsampling that a module of the reference names.
        settings_equal: those that are the module's.
        wrong: one line each: module, operation, and what is another.
        calibrated: those whose rounding was chosen for what reaches them: they cannot be made
            anew, and are held to a bound, row by row.
    """

    compared: int
    equal: int
    not_traced: tuple[str, ...]
    traced_share: float
    settings: int
    settings_equal: int
    wrong: tuple[str, ...] = ()
    calibrated: int = 0

    @property
    def problem(self) -> str | None:
        """What is wrong, the first of it in words; None when nothing is."""
        if not self.wrong:
            return "no constant could be compared" if self.compared == 0 else None
        more = len(self.wrong) - _NAMED
        return "; ".join(self.wrong[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class ComponentResult:
    """One component's artifact, judged by one gate."""

    gate: Gate
    path: str
    cases: tuple[CaseResult, ...]
    controls: tuple[Control, ...] = ()  # whether the gate can tell that an input was ignored
    problem: str | None = None
    stored: StoredValues | None = None  # of a package; None when it could not be read

    @property
    def ok(self) -> bool:
        """Every case is as it must be, and there is at least one."""
        return (
            self.problem is None
            and bool(self.cases)
            and all(case.ok for case in self.cases)
            and all(control.noticed for control in self.controls)
        )


@dataclass(frozen=True)
class Skip:
    """A component that was not compared, and why."""

    component: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """A bundle against a checkpoint."""

    bundle: str
    checkpoint: str
    weights: str
    runtime: str
    components: tuple[ComponentResult, ...]  # one a gate
    skipped: tuple[Skip, ...] = ()
    unsealed: tuple[str, ...] = ()  # a line for each file that is not as sealed: nothing was run

    @property
    def ok(self) -> bool:
        """Something was compared, and all of it holds; what was skipped does not count."""
        compared = bool(self.components) and not self.unsealed
        return compared and all(component.ok for component in self.components)

    def failures(self) -> list[str]:
        """One line a failed check: component, case, output and what is wrong."""
        lines = [f"seal: {line}" for line in self.unsealed]
        return lines + [line for component in self.components for line in _failures(component)]

    def controls(self) -> tuple[int, int]:
        """How many controls were noticed, of how many."""
        every = [c.noticed for component in self.components for c in component.controls]
        every += [
            control.noticed
            for component in self.components
            for case in component.cases
            for output in case.outputs
            for control in output.controls
        ]
        return sum(every), len(every)


def _failures(component: ComponentResult) -> Iterator[str]:
    name = component.gate.component
    if component.problem is not None:
        yield f"{name}: {component.problem}"
    for control in component.controls:
        if not control.noticed:
            yield f"{name}: the gate would not notice {control.damage}"
    for case in component.cases:
        yield from case_failures(name, case)


def case_failures(component: str, case: CaseResult) -> Iterator[str]:
    """One line for everything about a case that is not as it must be."""
    if case.problem is not None:
        yield f"{component}, {case.name}: {case.problem}"
    for output in case.outputs:
        where = f"{component}, {case.name}, {output.name}"
        yield from (f"{where}: {line}" for line in output_failures(output))


def output_failures(output: OutputResult) -> Iterator[str]:
    """One line for everything about an output that is not as it must be."""
    if output.problem is not None:
        yield output.problem
    for row in output.rows:
        if not row.holds:
            yield f"{row.metric} is {row.value:.2e}, the gate is {row.limit:g}"
    for control in output.controls:
        if not control.noticed:
            yield f"the gate would not notice {control.damage}"


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``report.json``."""
    return published("mobileo_export.parity", "report.schema.json")


def _mlx(comparison: Comparison) -> dict[str, bool]:
    """What was set of MLX, where it took part."""
    names = (component.gate.runtime.split()[0] for component in comparison.components)
    took_part = any(name in ENTRIES and ENTRIES[name].metal for name in names)
    return {"mlx_tf32": tf32.is_on()} if took_part else {}


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as ``report.schema.json`` describes it.

    What JSON has no number for is text: ``Infinity``, ``-Infinity``, ``NaN``.
    """
    noticed, total = comparison.controls()
    components = []
    for item, plain in zip(comparison.components, asdict(comparison)["components"], strict=True):
        cases = []
        for case, content in zip(item.cases, plain["cases"], strict=True):
            outputs = [
                {**fields, "ok": output.ok}
                for output, fields in zip(case.outputs, content["outputs"], strict=True)
            ]
            cases.append({**content, "outputs": outputs, "ok": case.ok})
        components.append({**plain, "cases": cases, "ok": item.ok})
    document: dict[str, Any] = json_ready(
        {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "generator": {"name": "mobileo-export", "version": __version__},
            "bundle": comparison.bundle,
            "checkpoint": comparison.checkpoint,
            "weights": comparison.weights,
            "runtime": comparison.runtime,
            **_mlx(comparison),
            "ok": comparison.ok,
            "controls": {"noticed": noticed, "total": total},
            "failures": comparison.failures(),
            "components": components,
            "skipped": [asdict(skip) for skip in comparison.skipped],
        }
    )
    return document
