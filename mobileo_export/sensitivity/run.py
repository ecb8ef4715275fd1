"""A plan under a size: measure what each choice does, choose the best, measure what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.components import COMPONENTS
from mobileo_export.compression.plan import CompressionPlan, LanguageModelBits
from mobileo_export.compression.schemes import Scheme, Stored
from mobileo_export.errors import UsageError
from mobileo_export.progress import OnProgress, OnStage, Progress, ignore
from mobileo_export.sensitivity import assign, language_model, prompts
from mobileo_export.sensitivity import sample as samples
from mobileo_export.sensitivity import work as works
from mobileo_export.sensitivity.study import WHOLE, Stand, Study
from mobileo_export.sensitivity.writing import rules
from mobileo_export.sizes import bytes_text, check_disk

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.sensitivity.choices import Choice
    from mobileo_export.sensitivity.sample import SampledCalls
    from mobileo_export.sensitivity.work import Work

SAMPLES = 6  # pictures that are drawn; a third of them is edited too


@dataclass(frozen=True)
class PlanRequest:
    """What is asked for.

    Attributes:
        checkpoint: opened.
        components: those that may be compressed.
        size: bytes of the whole bundle at most.
        exact: bytes of the bundle with every package exact, without the language model; and with
            all that a plan adds to it.
        folders: bytes of the language model's folder by bits.
        weights: which of the checkpoint's copies.
        captions: what is drawn.
        steps: of the schedule; None for the recipe's.
        compare: whether what was chosen and uniform bits are measured, not only predicted.
        calibrate: whether matrices of few bits are rounded for what reaches them.
    """

    checkpoint: Checkpoint
    components: tuple[ComponentSpec, ...]
    size: int
    exact: int
    folders: Mapping[int, int]
    weights: Weights = "released"
    captions: Sequence[str] = prompts.CAPTIONS[:SAMPLES]
    steps: int | None = None
    compare: bool = True
    calibrate: bool = False


@dataclass(frozen=True)
class ComponentOutcome:
    """One component in a plan.

    Attributes:
        component: its name.
        weights: elements of its matrices; of the language model all.
        bits: that they take.
        predicted: squared error, relative to what the component makes.
        measured: the same, measured; None if it was not.
        uniform: how the component stands with the same bits everywhere, by bits.
    """

    component: str
    weights: int
    bits: int
    predicted: float
    measured: float | None
    uniform: Mapping[int, Stand]


@dataclass(frozen=True)
class PlannedCompression:
    """A plan, the bytes of a bundle that follows it, and what it does to each component.

    ``rounded`` has matrices by component; ``sources`` the digests of the components they are of.
    """

    plan: CompressionPlan
    bytes: int
    outcomes: tuple[ComponentOutcome, ...]
    rounded: Mapping[str, Mapping[str, Stored]]
    sources: Mapping[str, str]


def make(request: PlanRequest, output: Path, progress: OnProgress = ignore) -> PlannedCompression:
    """The best plan under a size; what is measured is kept beside ``output`` for the next.

    Raises:
        UsageError: no plan makes the bundle that small, or somebody else works there.
        CheckpointError: the checkpoint is not as it must be.
    """
    stated = {"captions": list(request.captions), "steps": request.steps}
    key = works.key(request.checkpoint, request.weights, COMPONENTS.values(), stated)
    weights = (
        sum(map(math.prod, spec.tensors(request.checkpoint.model).values()))
        for spec in request.components
    )
    # Of one component at a time its float32 weights, and as much importance, kept and gone on with.
    check_disk(output, 12 * max(weights), "measuring takes", "put the plan on another disk")
    with works.claim(works.beside(output), key) as work:
        sample = work.sample(lambda: _recorded(request, work, _stages("sample", progress)))
        studies = [
            Study(
                request.checkpoint,
                request.weights,
                spec,
                sample.calls[spec.name],
                work,
                request.folders,
                _stages(spec.name, progress),
            )
            for spec in request.components
        ]
        chosen, total = _chosen(request, studies)
        outcomes, rounded, sources = [], {}, {}
        for study in studies:
            name = study.spec.name
            made = study.rounded(chosen[name]) if request.calibrate else {}
            if made:
                rounded[name], sources[name] = made, study.digest()
            outcomes.append(_outcome(request, study, chosen[name], made))
            study.close()
    plan = _plan(output.name, chosen)
    return PlannedCompression(plan, math.ceil(total / 8), tuple(outcomes), rounded, sources)


def _recorded(request: PlanRequest, work: Work, told: OnStage) -> SampledCalls:
    from mobileo_export.pipelines.model import open_model

    path = str(request.checkpoint.path)
    with open_model(path, weights=request.weights, offline=True, keep=True) as model:
        return samples.record(model, request.captions, request.steps, told, work.calls)


def _chosen(
    request: PlanRequest, studies: Sequence[Study]
) -> tuple[dict[str, dict[str, Choice]], int]:
    """The choices by component and matrix, and the bits of the bundle."""
    every: dict[assign.Name, list[Choice]] = {}
    for study in studies:
        every |= {(study.spec.name, matrix): made for matrix, made in study.table.items()}
        study.close()
    names = [study.spec.name for study in studies]
    rest = 8 * request.exact
    rest -= sum(made[0].bits for (name, _), made in every.items() if name != language_model.NAME)
    if language_model.NAME not in names:
        rest += 8 * request.folders[max(request.folders)]
    least = rest + assign.least_bits(every)
    made = assign.assign(every, 8 * request.size - rest)
    if made is None:
        raise UsageError(
            f"--size {bytes_text(request.size)}: with {', '.join(names)} compressed as far as it "
            f"goes a bundle has {bytes_text(least / 8)} ({math.ceil(least / 8):,} bytes); "
            "ask for no less, or let more components be compressed"
        )
    found: dict[str, dict[str, Choice]] = {name: {} for name in names}
    for (component, matrix), choice in made.items():
        found[component][matrix] = choice
    return found, rest + sum(choice.bits for choice in made.values())


def _plan(name: str, chosen: Mapping[str, Mapping[str, Choice]]) -> CompressionPlan:
    stated = {
        component: {
            pattern: Scheme.parse(scheme)
            for pattern, scheme in rules({m: c.name for m, c in made.items()}).items()
        }
        for component, made in chosen.items()
        if component != language_model.NAME
    }
    stated = {component: patterns for component, patterns in stated.items() if patterns}
    of_llm = None
    if language_model.NAME in chosen:
        bits = int(chosen[language_model.NAME][WHOLE].name)
        of_llm = LanguageModelBits(bits, language_model.GROUP_SIZE)
    return CompressionPlan(name, stated, of_llm)


def _outcome(
    request: PlanRequest,
    study: Study,
    chosen: Mapping[str, Choice],
    rounded: Mapping[str, Stored],
) -> ComponentOutcome:
    bits = sum(choice.bits for choice in chosen.values())
    shapes = study.spec.tensors(request.checkpoint.model)
    return ComponentOutcome(
        study.spec.name,
        sum(map(math.prod, shapes.values())),
        bits,
        sum(choice.error for choice in chosen.values()),
        study.stand(chosen, rounded).error if request.compare else None,
        study.uniform() if request.compare else {},
    )


def _stages(job: str, progress: OnProgress) -> OnStage:
    """Tells of the stages of one ``job`` what this command does: time goes by that."""
    before: dict[str, int] = {}  # by stage, what an earlier one has done

    def told(stage: str, done: int, total: int) -> None:
        first = before.setdefault(stage, done)
        progress(Progress(job, stage, done - first, total - first))

    return told
