"""Merge: plan, check the disk, stream every tensor into a new checkpoint, rename."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mobileo_export.bundle import seal
from mobileo_export.bundle.workspace import check_output, workspace
from mobileo_export.checkpoint import shards as sharding
from mobileo_export.checkpoint.folder import INDEX
from mobileo_export.checkpoint.safetensors_file import tensor_bytes
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.errors import UsageError
from mobileo_export.merging import adapter as adapters
from mobileo_export.merging import arithmetic, folder
from mobileo_export.merging.arithmetic import Change
from mobileo_export.merging.plan import MergePlan, MergeStep, plan
from mobileo_export.progress import OnStage, ignore

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.merging.adapter import Adapter

# Below this, most of what an adapter learned is lost in rounding.
_KEPT_ENOUGH = 0.5


@dataclass(frozen=True)
class MergeOptions:
    """``weights`` chooses which of the base's copies is merged into."""

    weights: Weights = "released"
    allow_pickle: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Group:
    """What became of the trained tensors of one kind; all but the counts None when only planned."""

    name: str
    tensors: int
    changed: int | None = None
    largest: float | None = None  # relative change of the tensor that changed most
    largest_name: str | None = None
    kept: float | None = None  # the least part of an update that survived rounding


@dataclass(frozen=True)
class MergeReport:
    """What a merge did, or (``seconds`` is None) would do."""

    output: Path
    tensors: int
    bytes: int
    groups: tuple[Group, ...]
    files: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float | None


def check(adapter: Path | None, output: Path, options: MergeOptions) -> None:
    """Find every reason to refuse that needs no base: ask before it is downloaded.

    Raises:
        MobileoError: ``output`` is not free, or there is no such adapter.
    """
    check_output(output, options.overwrite, folder.KIND)
    if adapter is not None and not adapter.is_dir():
        adapters.read(adapter, options.allow_pickle)  # says what is wrong with it


def preview(
    base: Checkpoint, adapter: Path | None, output: Path, options: MergeOptions
) -> MergeReport:
    """Everything that can be refused or told without reading values; writes nothing.

    Raises:
        MobileoError: as :func:`merge`.
    """
    planned, _ = _prepare(base, adapter, output, options)
    counts: dict[str, int] = {}
    for step in planned.steps:
        if step.group:
            counts[step.group] = counts.get(step.group, 0) + 1
    groups = tuple(Group(name, count) for name, count in counts.items())
    size = sharding.total_bytes(planned.layout())
    return MergeReport(output, len(planned.steps), size, groups, (), planned.warnings, None)


def merge(
    base: Checkpoint,
    adapter: Path | None,
    output: Path,
    options: MergeOptions,
    progress: OnStage = ignore,
) -> MergeReport:
    """Write ``base`` with everything that was trained in ``adapter`` as a new checkpoint.

    Tensors are streamed from file to file. ``output`` appears whole or not at all; it holds no
    nested copies. ``progress`` is called with (file, bytes done, bytes in all).

    Args:
        base: what the adapter was trained on.
        adapter: the folder that PEFT saved; None to put the nested copies at top level only.
        output: the folder to write.
        options: see :class:`MergeOptions`.
        progress: called as tensors are written.

    Raises:
        UsageError: nothing to merge, a pickle that is not allowed, an output that is not free,
            a full disk.
        CheckpointError: base and adapter do not fit, or hold damaged values.
    """
    started = time.monotonic()
    planned, loaded = _prepare(base, adapter, output, options)
    with workspace(output, options.overwrite, folder.KIND) as partial_output:
        record = _record(loaded, options)
        files = folder.write(base, partial_output, planned.untied, record)
        changes = _write(partial_output, planned, progress)
    groups = _groups(planned, changes)
    return MergeReport(
        output,
        len(planned.steps),
        sharding.total_bytes(planned.layout()),
        groups,
        tuple(files),
        (*planned.warnings, *_warnings(groups, loaded)),
        time.monotonic() - started,
    )


def _prepare(
    base: Checkpoint, adapter: Path | None, output: Path, options: MergeOptions
) -> tuple[MergePlan, Adapter | None]:
    check_output(output, options.overwrite, folder.KIND)
    for source in (base.path, adapter):
        if source is None or not source.exists():
            continue
        written, read = output.resolve(), source.resolve()
        if written == read or written in read.parents:
            raise UsageError(f"{output}: holds what is merged; choose another output")
    loaded = adapters.read(adapter, options.allow_pickle) if adapter is not None else None
    planned = plan(base, loaded, options.weights)
    sharding.check_disk(output, planned.layout())
    return planned, loaded


def _write(output: Path, planned: MergePlan, progress: OnStage) -> list[Change | None]:
    layout = planned.layout()
    shards, total = sharding.split(layout), sharding.total_bytes(layout)
    changes, done = [], 0
    with ExitStack() as stack:
        writers: dict[str, SafetensorsWriter] = {}
        for file, names in shards.items():
            writer = SafetensorsWriter(output / file, {name: layout[name] for name in names})
            writers |= dict.fromkeys(names, stack.enter_context(writer))
        # NumPy and the file system release the interpreter lock; entered last, the pool ends first.
        pool = ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4))
        stack.callback(pool.shutdown, cancel_futures=True)
        futures = [pool.submit(_execute, step, writers[step.name]) for step in planned.steps]
        for step, future in zip(planned.steps, futures, strict=True):
            changes.append(future.result())
            done += tensor_bytes(*layout[step.name])
            progress(writers[step.name].path.name, done, total)
    if len(shards) > 1:
        (output / INDEX).write_text(sharding.index(shards, total))
    return changes


def _execute(step: MergeStep, writer: SafetensorsWriter) -> Change | None:
    write = partial(writer.write_part, step.name)
    if step.group is None:
        arithmetic.copy(step.start, write)
        return None
    return arithmetic.merge(step.old, step.start, step.pair, step.dtype, write)


def _groups(planned: MergePlan, changes: list[Change | None]) -> tuple[Group, ...]:
    members: dict[str, list[tuple[str, Change]]] = {}
    for step, change in zip(planned.steps, changes, strict=True):
        if step.group and change:
            members.setdefault(step.group, []).append((step.name, change))
    groups = []
    for group, found in members.items():
        largest_name, largest = max(found, key=lambda item: item[1].relative)
        kept = [change.kept for _, change in found if change.kept is not None]
        changed = sum(change.changed for _, change in found)
        groups.append(
            Group(
                group, len(found), changed, largest.relative, largest_name, min(kept, default=None)
            )
        )
    return tuple(groups)


def _warnings(groups: tuple[Group, ...], adapter: Adapter | None) -> list[str]:
    warnings = []
    if adapter is not None and not any(group.changed for group in groups):
        warnings.append("nothing changed: every update is zero, as in an untrained adapter")
    lost = [group for group in groups if group.kept is not None and group.kept < _KEPT_ENOUGH]
    if lost:
        worst = min(lost, key=lambda group: group.kept or 0.0)
        warnings.append(
            f"{worst.name}: {worst.kept:.0%} of the adapter's update survives rounding to the "
            "base's dtype; a float32 base would keep it"
        )
    return warnings


def _record(adapter: Adapter | None, options: MergeOptions) -> dict[str, Any]:
    """What the output says of its origin: no paths, no clock."""
    files = adapter.files if adapter is not None else ()
    return {
        "base": {"weights": options.weights},
        "adapter": {path.name: seal.digest(path) for path in files},
    }
