"""The same inputs on every bundle's own runtime and in PyTorch: who disagrees, and who is wrong.

Each side is an implementation of its own: our evaluator, Apple's runtime, ONNX Runtime, PyTorch. A
pair may be as far apart as their gates allow each to be from the truth. A side that disagrees with
all others, which agree, stands alone; whether its artifact is wrong or what executes it is told by
what the artifact holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.bundle import manifest
from mobileo_export.components import COMPONENTS, LAYOUTS
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity import compare, gates, means, metrics
from mobileo_export.parity.cases import case_names
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.runtimes import registry, select

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.references import ReferenceRun, References
    from mobileo_export.runtimes.base import Array

REFERENCE = "PyTorch"
Outputs = dict[str, dict[str, "Array"]]  # by case and name


@dataclass(frozen=True)
class Side:
    """One implementation of a component.

    Attributes:
        name: of the runtime, with the bundle where several have it.
        gate: how far it may be from the truth; None of the reference, which is it.
        outputs: by case and name; none where there is a problem.
        problem: why it could not run.
        stored: what is wrong with what its artifact holds, "" for nothing; None where that cannot
            be looked into.
    """

    name: str
    gate: gates.Gate | None
    outputs: Outputs
    problem: str | None = None
    stored: Callable[[], str] | None = None


@dataclass(frozen=True)
class PairError:
    """Two sides, where they differ most.

    Attributes:
        first: a side.
        second: another.
        relative_l2: the largest of any output.
        worst_slice: likewise.
        place: case, output and slice of that.
        bounds: of the two figures.
    """

    first: str
    second: str
    relative_l2: float
    worst_slice: float
    place: str
    bounds: tuple[float, float]

    @property
    def agree(self) -> bool:
        """Whether both figures are within their bounds."""
        return self.relative_l2 <= self.bounds[0] and self.worst_slice <= self.bounds[1]


@dataclass(frozen=True)
class Testimony:
    """One component.

    Attributes:
        component: its name.
        sides: in the order of the bundles, PyTorch first.
        pairs: every two of those that ran.
        alone: the side that disagrees with all others, which agree; None for none.
        verdict: what follows, in words; None where all agree.
    """

    component: str
    sides: tuple[str, ...]
    pairs: tuple[PairError, ...]
    alone: str | None = None
    verdict: str | None = None

    @property
    def ok(self) -> bool:
        """Whether all agree."""
        return self.verdict is None


@dataclass(frozen=True)
class Witnessed:
    """All components.

    Attributes:
        testimonies: one of each that was heard.
        left_out: why an artifact was not.
        runtimes: that ran, PyTorch aside.
    """

    testimonies: tuple[Testimony, ...]
    left_out: tuple[str, ...]
    runtimes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all agree on every component."""
        return all(testimony.ok for testimony in self.testimonies)


def witness(
    bundles: Sequence[Path],
    checkpoint: Checkpoint,
    components: Sequence[ComponentSpec] | None = None,
    progress: OnProgress = lambda event: None,
) -> Witnessed:
    """Run each component of each bundle on the runtime that executes it as it is saved.

    Args:
        bundles: sealed ones, made from ``checkpoint``.
        checkpoint: gives inputs and PyTorch.
        components: which; None for all.
        progress: called as cases are done.

    Raises:
        BundleError: a bundle was made from other weights, or a component is in none.
        RuntimeUnavailableError: this machine cannot execute an artifact.
        UsageError: nothing could be heard.
    """
    from mobileo_export.parity.references import References

    contents = {bundle: manifest.read(bundle) for bundle in bundles}
    specs = list(COMPONENTS.values()) if components is None else list(components)
    left_out: list[str] = []
    heard = {spec.name: list(_heard(spec, contents, left_out)) for spec in specs}
    runtimes = tuple(dict.fromkeys(kind for found in heard.values() for _, _, kind in found))
    registry.check_available(runtimes)
    weights = {compare.check_weights(content, checkpoint) for content in contents.values()}
    if len(weights) > 1:
        raise UsageError("the bundles were made from different weights of the checkpoint")
    references = References(checkpoint, weights.pop())
    testimonies = []
    for spec in specs:
        if not heard[spec.name]:
            continue
        for bundle, _, _ in heard[spec.name]:
            compare.check_origin(bundle, contents[bundle], checkpoint, spec)
        progress(Progress(spec.name, "torch", 0, 1))
        runs = references.runs(spec.name, case_names(spec.name))
        sides = [Side(REFERENCE, None, {run.case.name: run.outputs for run in runs})]
        for bundle, artifact, kind in heard[spec.name]:
            name = _named(bundle, kind, heard[spec.name])
            sides.append(_ran(bundle, artifact, spec, kind, name, runs, references, progress))
        testimonies.append(judged(spec.name, sides))
    if not testimonies:
        raise UsageError("; ".join(left_out) or "the bundles hold nothing to be heard")
    return Witnessed(tuple(testimonies), tuple(left_out), runtimes)


def judged(component: str, sides: Sequence[Side]) -> Testimony:
    """Every two sides compared, and what follows."""
    ran = [side for side in sides if side.problem is None]
    names = tuple(side.name for side in sides)
    pairs = tuple(_pair(a, b) for a, b in itertools.combinations(ran, 2))
    broken = [f"{side.name}: {side.problem}" for side in sides if side.problem is not None]
    if broken:
        return Testimony(component, names, pairs, verdict="; ".join(broken))
    if all(pair.agree for pair in pairs):
        return Testimony(component, names, pairs)
    alone = [side for side in ran if _stands_alone(side.name, pairs)]
    # Of two that disagree each stands alone; then the truth is PyTorch.
    suspect = next((side for side in alone if side.gate is not None), None)
    if suspect is None or (len(alone) > 1 and len(ran) > 2):
        apart = [f"{pair.first} and {pair.second}" for pair in pairs if not pair.agree]
        return Testimony(component, names, pairs, verdict=f"apart: {', '.join(apart)}")
    return Testimony(component, names, pairs, suspect.name, _verdict(suspect))


def _verdict(side: Side) -> str:
    said = f"{side.name} stands alone"
    if side.stored is None:
        return f"{said}; its artifact cannot be looked into: it is wrong, or what executes it"
    wrong = side.stored()
    if wrong:
        return f"{said}; its artifact is wrong: {wrong}"
    return (
        f"{said}; its artifact holds what the checkpoint says, so that what executes it "
        "is wrong, or an operation was converted to another"
    )


def _heard(
    spec: ComponentSpec, contents: Mapping[Path, dict[str, Any]], left_out: list[str]
) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """Where ``spec`` lies, its entry in the manifest, and the runtime that executes it exactly."""
    for bundle, content in contents.items():
        entry = content["components"].get(spec.name)
        if entry is None:
            left_out.append(f"{spec.name}: not in {bundle}")
            continue
        artifact = entry["artifacts"][0]
        if means.of(artifact["kind"]).quantized or artifact["options"].get("rules"):
            left_out.append(f"{spec.name}: of {bundle} computes with weights of its own, quantized")
        elif artifact["compute_precision"] != "float32":
            left_out.append(f"{spec.name}: of {bundle} computes in half precision")
        else:
            yield bundle, artifact, registry.host(artifact["kind"])


def _named(bundle: Path, kind: str, heard: Sequence[tuple[Path, dict[str, Any], str]]) -> str:
    twice = sum(other == kind for _, _, other in heard) > 1
    return f"{kind} ({bundle.name})" if twice else kind


def _ran(
    bundle: Path,
    artifact: dict[str, Any],
    spec: ComponentSpec,
    kind: str,
    name: str,
    runs: Sequence[ReferenceRun],
    references: References,
    progress: OnProgress,
) -> Side:
    gate = gates.find(spec.name, "float32", kind)
    outputs: Outputs = {}
    try:
        with closing(select.load_artifact(bundle / artifact["path"], kind)) as session:
            for done, run in enumerate(runs):
                progress(Progress(spec.name, kind, done, len(runs)))
                outputs[run.case.name] = session.run(run.case.inputs)
    except BundleError as error:
        return Side(name, gate, {}, str(error))
    progress(Progress(spec.name, kind, len(runs), len(runs)))
    known = means.of(artifact["kind"])

    def stored() -> str:
        try:
            found = compare.stored_values(bundle, artifact, spec, references)
        except BundleError as error:
            return str(error)
        return found.problem or ""

    return Side(name, gate, outputs, None, stored if known.graph or known.values else None)


def _pair(first: Side, second: Side) -> PairError:
    judges = [side.gate for side in (first, second) if side.gate is not None]
    bounds = (
        sum(gate.relative_l2 or 0.0 for gate in judges),
        sum(gate.worst_slice or 0.0 for gate in judges),
    )
    floor = max(gate.slice_floor for gate in judges)
    relative, worst, place = 0.0, 0.0, ""
    for case, outputs in first.outputs.items():
        for name, values in outputs.items():
            found = metrics.compare(values, second.outputs[case][name], LAYOUTS[name], floor)
            relative = max(relative, found.relative_l2)
            if not place or (found.worst_slice or 0.0) > worst:
                worst = max(worst, found.worst_slice or 0.0)
                part = f", {found.worst[0]}" if found.worst else ""
                place = f"{case}, {name}{part}"
    return PairError(first.name, second.name, relative, worst, place, bounds)


def _stands_alone(name: str, pairs: Sequence[PairError]) -> bool:
    """Whether ``name`` disagrees with all others, which agree."""
    own = [pair for pair in pairs if name in (pair.first, pair.second)]
    others = [pair for pair in pairs if pair not in own]
    return all(not pair.agree for pair in own) and all(pair.agree for pair in others)
