"""From a checkpoint to a sealed bundle: plan, convert in worker processes, seal, rename."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from mobileo_export.bundle import durable, manifest
from mobileo_export.bundle.workspace import Claim, check_output, claim, partial_of
from mobileo_export.checkpoint.license import terms
from mobileo_export.components import ComponentSpec
from mobileo_export.converters import registry
from mobileo_export.converters.options import Options
from mobileo_export.errors import BundleError, ComponentsFailedError
from mobileo_export.export import fingerprint, machine, manifest_entries, plan, resume, workers
from mobileo_export.export import warnings as advice
from mobileo_export.export.digests import SourceDigests, matching
from mobileo_export.export.log import log_file
from mobileo_export.export.manifest_entries import tool_versions
from mobileo_export.export.plan import ComponentPlan, Plan, longest_first, together
from mobileo_export.processes import collecting
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path
    from typing import IO

    from mobileo_export.checkpoint.folder import Checkpoint, NestedCopies
    from mobileo_export.checkpoint.tokenizer_files import SpecialTokens


# What a caller of :func:`export` needs.
__all__ = ["ComponentsFailedError", "Options", "Result", "check", "export", "preflight"]


@dataclass(frozen=True)
class Result:
    """What an export wrote and found.

    ``reused`` names the components that were finished before; ``peaks`` is the most memory that
    each of the others took, in bytes.
    """

    output: Path
    manifest: manifest.Manifest
    nested: NestedCopies | None
    warnings: tuple[str, ...]
    seconds: float
    reused: tuple[str, ...]
    peaks: dict[str, int]


def check(output: Path, options: Options, overwrite: bool = False) -> None:
    """Find every reason to refuse that needs no checkpoint: ask before it is downloaded.

    Raises:
        MobileoError: the output folder or the installed packages cannot be used.
    """
    check_output(output, overwrite)
    tool_versions(options.components, options.target)


def preflight(
    checkpoint: Checkpoint,
    output: Path,
    options: Options,
    *,
    overwrite: bool = False,
    fresh: bool = False,
    max_memory: int | None = None,
) -> Plan:
    """Find every reason to refuse that can be found before any work, and estimate the cost.

    Raises:
        MobileoError: the checkpoint, the options, the output folder, the disk, the memory or the
            installed packages cannot be used.
    """
    return _prepare(checkpoint, output, options, overwrite, fresh, max_memory).planned


def export(
    checkpoint: Checkpoint,
    output: Path,
    options: Options,
    *,
    overwrite: bool = False,
    fresh: bool = False,
    max_memory: int | None = None,
    log: Path | None = None,
    progress: OnProgress = lambda event: None,
) -> Result:
    """Convert the chosen components of ``checkpoint`` into a sealed bundle at ``output``.

    ``output`` appears whole or not at all. What was finished when an export failed or was
    interrupted stays in ``OUTPUT.partial``; the next export into ``output`` takes from there, and
    from the bundle that it replaces, every artifact that was made from the same tensors, options,
    code and tools, after reading all of it again. With nothing finished, nothing is left behind.

    Args:
        checkpoint: what to convert.
        output: the bundle to write.
        options: what to convert, and how.
        overwrite: replace a bundle of ours at ``output``.
        fresh: take nothing over.
        max_memory: bytes to stay below; by default what the machine has.
        log: where library output goes; to standard error when it is None.
        progress: called as the work goes on, from this thread.

    Raises:
        MobileoError: the checkpoint, the options or the output folder cannot be used; a component
            failed, after the others went on to their end.
    """
    started = time.monotonic()
    ready = _prepare(checkpoint, output, options, overwrite, fresh, max_memory)
    with (
        claim(output, overwrite) as claimed,
        resume.cleared_on_failure(claimed),
        log_file(log) as stream,
        SourceDigests(checkpoint, options, ready.snapshot, ready.stated) as source,
    ):
        records = _taken_over(claimed, source, progress, fresh)
        reused = tuple(spec.name for spec in options.components if spec.name in records)
        planned = _affordable(ready.planned.components, output, max_memory, reused)
        source.begin()
        outcome = _convert(claimed, source, options, planned, records, stream, progress)
        if outcome.failures:
            order = [spec.name for spec in options.components]
            found = (outcome.failures[name] for name in order if name in outcome.failures)
            failures = list(dict.fromkeys(found))  # several may have failed of one thing
            raise failures[0] if len(failures) == 1 else ComponentsFailedError(failures)
        progress(Progress("bundle", "sealing", 0, 1))
        nested = source.nested()
        source.check()
        sealed = manifest_entries.of_bundle(
            checkpoint, ready.tokens, options, claimed.new, records, nested
        )
        durable.write_text(claimed.new / manifest.MANIFEST, sealed.to_json())
    progress(Progress("bundle", "sealed", 1, 1))
    warnings = advice.of_export(checkpoint, options, ready.planned, nested)
    seconds = time.monotonic() - started
    return Result(output, sealed, nested, warnings, seconds, reused, outcome.peaks)


@dataclass(frozen=True)
class _Prepared:
    """What is known before any work, found out once an export.

    ``stated`` has the inputs of each component's fingerprint; ``snapshot`` was taken before all.
    """

    planned: Plan
    tokens: SpecialTokens
    snapshot: fingerprint.Snapshot
    stated: dict[str, dict[str, Any]]


def _prepare(
    checkpoint: Checkpoint,
    output: Path,
    options: Options,
    overwrite: bool,
    fresh: bool,
    max_memory: int | None,
) -> _Prepared:
    """See :func:`preflight`."""
    check_output(output, overwrite)
    tools = tool_versions(options.components, options.target)
    snapshot = fingerprint.Snapshot.take(checkpoint)
    with collecting.paused():  # a vocabulary is a million objects
        tokenizer = plan.check(checkpoint, options)
    stated = {
        spec.name: fingerprint.inputs(checkpoint, spec, options, tools)
        for spec in options.components
    }
    found = [] if fresh else [*resume.of_partial(partial_of(output)), *_sealed(output)]
    reused = {record.component for record in matching(found, stated)}
    estimates = plan.estimates(checkpoint, options)
    planned = _affordable(estimates, output, max_memory, reused)
    planned = replace(planned, warnings=tokenizer.warnings)
    return _Prepared(planned, tokenizer.special, snapshot, stated)


def _affordable(
    plans: Sequence[ComponentPlan], output: Path, max_memory: int | None, reused: Collection[str]
) -> Plan:
    """The plan of what is not ``reused``; refuses it when memory or disk do not suffice."""
    allowed = machine.budget(max_memory)
    planned = together(plans, allowed.bytes, machine.cores(), reused)
    machine.check_memory(planned, allowed)
    machine.check_disk(output, planned)
    return planned


def _sealed(output: Path) -> list[resume.Record]:
    """What the bundle at ``output``, if there is one, says that it holds."""
    try:
        return resume.of_bundle(manifest.read(output))
    except BundleError:
        return []


def _taken_over(
    claimed: Claim, source: SourceDigests, progress: OnProgress, fresh: bool
) -> dict[str, resume.Record]:
    """What need not be converted again, by component; everything else in the folder is removed."""
    taken: dict[str, resume.Record] = {}
    if fresh:
        resume.sweep(claimed, ())
    else:
        ways: tuple[tuple[list[resume.Record], Callable[[resume.Record], bool]], ...] = (
            (resume.of_partial(claimed.partial), lambda record: True),
            (_sealed(claimed.output), lambda record: resume.link(claimed, record)),
        )
        for records, place in ways:
            left = [record for record in records if record.component not in taken]
            placed = [record for record in source.matching(left) if place(record)]
            checks = source.confirm(claimed.new, placed)
            for record, confirmed in zip(placed, checks, strict=True):
                progress(Progress(record.component, "checking what is finished", 0, 1))
                if confirmed():
                    taken[record.component] = record
                    progress(Progress(record.component, "finished before", 1, 1))
            resume.sweep(claimed, taken.values())
            resume.keep(claimed, taken.values())
    source.check()
    return taken


def _convert(
    claimed: Claim,
    source: SourceDigests,
    options: Options,
    planned: Plan,
    records: dict[str, resume.Record],
    log: IO[str] | None,
    progress: OnProgress,
) -> workers.Outcome:
    """Convert what ``records`` lacks, and add to them what gets finished."""
    specs = {spec.name: spec for spec in options.components}
    left = [item for item in planned.components if item.component not in records]

    def finish(name: str, result: dict[str, Any]) -> None:
        artifact = manifest_entries.artifact(specs[name], source.checkpoint.model, options, result)
        artifact = source.keyed(name, artifact)
        records[name] = resume.finish(
            claimed, name, source.digest(name), artifact, result.get("preview")
        )

    def jobs(items: Iterable[ComponentPlan]) -> list[dict[str, Any]]:
        return [_job(source.checkpoint, specs[item.component], claimed, options) for item in items]

    heavy = longest_first(item for item in left if item.imported)
    lanes = (
        workers.Lane(jobs(heavy), _libraries(heavy, specs, options.target), planned.slots),
        workers.Lane(jobs(i for i in left if not i.imported), after=not planned.beside),
    )
    hooks = workers.Hooks(lambda name: resume.prepare(claimed, name), finish, progress)
    return workers.run(lanes, log, hooks, keep=(claimed.lock,))


def _libraries(
    items: Sequence[ComponentPlan], specs: Mapping[str, ComponentSpec], target: str
) -> list[str]:
    """The modules that making ``items`` takes, converters' before references', each once."""
    made = [specs[item.component] for item in items]
    modules = [registry.of(spec, target).libraries for spec in made]
    modules += [spec.libraries for spec in made]
    return list(dict.fromkeys(chain.from_iterable(modules)))


def _job(
    checkpoint: Checkpoint, spec: ComponentSpec, claimed: Claim, options: Options
) -> dict[str, Any]:
    asked = {item.name: getattr(options, item.name) for item in fields(options)}
    del asked["components"]  # of which this job makes one
    asked["compression"] = options.compression.job()
    return {
        **{name: dict(v) if isinstance(v, Mapping) else v for name, v in asked.items()},
        "id": spec.name,
        "checkpoint": str(checkpoint.path.resolve()),
        "component": spec.name,
        "output": str(resume.workplace(claimed, spec.name).resolve()),
        "license": terms(checkpoint, options.source_name).line(),
    }
