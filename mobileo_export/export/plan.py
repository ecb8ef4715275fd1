"""What an export will cost, told from headers alone: bytes on disk, memory, rough time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mobileo_export import components, targets
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.converters import registry
from mobileo_export.converters.base import Estimate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.options import Options

_MANIFEST_BYTES, _MANIFEST_BYTES_PER_COMPONENT = 8000, 3100
_NOTICE_BYTES = 700
_CARD_BYTES = 2500


@dataclass(frozen=True, kw_only=True)
class ComponentPlan(Estimate):
    """What one component will cost, and the path of its artifact.

    ``imported`` is what it shares with others of its worker, which has imported the libraries for
    all.
    """

    component: str
    artifact: str


@dataclass(frozen=True)
class Plan:
    """What an export would write, and how: ``slots`` components of one worker at a time.

    ``peak_memory`` and ``temporary_bytes`` count everything that runs at one time.
    """

    components: tuple[ComponentPlan, ...]
    bytes: int
    temporary_bytes: int
    peak_memory: int
    seconds: float
    slots: int
    beside: bool  # whether what needs no worker with libraries runs at the same time
    reused: tuple[str, ...] = ()  # components that are finished already, it seems
    warnings: tuple[str, ...] = ()  # of the tokenizer files


def plan(
    checkpoint: Checkpoint,
    options: Options,
    budget: int | None = None,
    cores: int = 1,
) -> Plan:
    """Check everything that can be checked from headers, and estimate the cost.

    With more than one of ``cores``, components are converted at the same time as long as they stay
    below ``budget`` bytes of memory together.

    Raises:
        as :func:`check`.
    """
    warnings = check(checkpoint, options).warnings
    planned = together(estimates(checkpoint, options), budget, cores)
    return replace(planned, warnings=warnings)


def check(checkpoint: Checkpoint, options: Options) -> tokenizer_files.Checked:
    """Check everything that can be checked from headers; returns what the tokenizer files say.

    Raises:
        UsageError: an option does not go with this checkpoint.
        CheckpointError: a tensor or a tokenizer file is not as it must be.
    """
    checkpoint.require_weights(options.weights)
    components.check_foreign(checkpoint)
    found = tokenizer_files.checked(checkpoint.path, checkpoint.model.llm.vocab_size)
    for spec in options.components:
        spec.check(checkpoint)
    for converter, specs in registry.taking_part(options.components, options.target):
        converter.check(checkpoint, specs, options)
    return found


def estimates(checkpoint: Checkpoint, options: Options) -> list[ComponentPlan]:
    """What each component costs, of a checkpoint and options that :func:`check` has passed."""
    return [_estimate(checkpoint, spec, options) for spec in options.components]


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> ComponentPlan:
    cost = registry.of(spec, options.target).estimate(checkpoint, spec, options)
    path = targets.form(spec, options.target).path
    return ComponentPlan(**vars(cost), component=spec.name, artifact=path)


def together(
    plans: Sequence[ComponentPlan],
    budget: int | None = None,
    cores: int = 1,
    reused: Collection[str] = (),
) -> Plan:
    """The plan of converting ``plans``, as many at a time as ``cores`` and ``budget`` allow."""
    left = [item for item in plans if item.component not in reused]
    heavy = [item for item in left if item.imported]
    light = [item for item in left if not item.imported]
    most = max(1, min(cores, len(heavy)))
    ways = [(slots, beside) for slots in range(most, 0, -1) for beside in (True, False)]
    slots, beside = next(
        (way for way in ways if budget is None or _memory(heavy, light, *way) <= budget), ways[-1]
    )
    return Plan(
        tuple(plans),
        sum(item.bytes for item in plans)
        + _MANIFEST_BYTES
        + _MANIFEST_BYTES_PER_COMPONENT * len(plans)
        + _NOTICE_BYTES
        + _CARD_BYTES,
        sum(sorted((item.temporary_bytes for item in heavy), reverse=True)[:slots]),
        _memory(heavy, light, slots, beside),
        _seconds(heavy, light, slots, beside),
        slots,
        beside,
        tuple(item.component for item in plans if item.component in reused),
    )


def longest_first(plans: Iterable[ComponentPlan]) -> list[ComponentPlan]:
    """The order in which components are begun, so that none is left to run alone at the end."""
    return sorted(plans, key=lambda item: -item.seconds)


def _memory(
    heavy: Sequence[ComponentPlan], light: Sequence[ComponentPlan], slots: int, beside: bool
) -> int:
    imported = max((item.imported for item in heavy), default=0)
    own = sorted((item.peak_memory - item.imported for item in heavy), reverse=True)
    packages = imported + sum(own[:slots])
    others = max((item.peak_memory for item in light), default=0)
    return packages + others if beside else max(packages, others)


def _seconds(
    heavy: Sequence[ComponentPlan], light: Sequence[ComponentPlan], slots: int, beside: bool
) -> float:
    ends = [9.0 * bool(heavy)] * slots  # after the imports
    for item in longest_first(heavy):
        ends[ends.index(min(ends))] += item.seconds
    others = sum(item.seconds for item in light)
    return max(*ends, others) if beside else max(ends) + others
