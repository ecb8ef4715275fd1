"""From a checkpoint to a sealed bundle: plan, convert in worker processes, seal, rename."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__, recipe, targets
from mobileo_export.bundle import durable, manifest
from mobileo_export.bundle.workspace import Claim, check_output, claim, partial_of
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.license import terms
from mobileo_export.components import ComponentSpec, Target
from mobileo_export.errors import (
    BundleError,
    ConversionError,
    MissingDependencyError,
    MobileoError,
)
from mobileo_export.export import fingerprint, machine, resume, workers
from mobileo_export.export import warnings as advice
from mobileo_export.export.digests import Source, promising
from mobileo_export.export.log import log_file
from mobileo_export.export.plan import ComponentPlan, Plan, longest_first, plan
from mobileo_export.processes import extras
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path
    from typing import IO

    from mobileo_export.checkpoint.folder import Checkpoint, NestedCopies, Weights
    from mobileo_export.converters.coreml.precision import Precision

NOTICE_FILE = "NOTICE.txt"


@dataclass(frozen=True)
class Options:
    """What to export and how.

    ``llm_exceptions`` maps module patterns to bits. ``layers_per_engine`` splits the language
    model of a jetson bundle into graphs of so many layers, None keeps it whole.
    ``precision_plan`` gives, by graph, rules that say what a float16 graph keeps in float32.
    """

    components: tuple[ComponentSpec, ...]
    target: Target = "ios"
    weights: Weights = "released"
    precision: Precision = "float32"
    llm_bits: int = 8
    llm_group_size: int = 64
    llm_exceptions: Mapping[str, int] = field(default_factory=dict)
    layers_per_engine: int | None = None
    precision_plan: Mapping[str, Any] = field(default_factory=dict)
    source_name: str | None = None
    source_revision: str | None = None


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


class ComponentsFailedError(ConversionError):
    """Several components could not be converted; ``failures`` has the error of each."""

    def __init__(self, failures: Iterable[MobileoError]) -> None:
        self.failures = tuple(failures)
        super().__init__("; ".join(map(str, self.failures)))


def check(output: Path, options: Options, overwrite: bool = False) -> None:
    """Find every reason to refuse that needs no checkpoint: ask before it is downloaded.

    Raises:
        MobileoError: the output folder or the installed packages cannot be used.
    """
    check_output(output, overwrite)
    _tool_versions(options)


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
    check(output, options, overwrite)
    plan(checkpoint, options)
    if options.precision_plan:
        from mobileo_export.converters.onnx import graphs

        layers = options.layers_per_engine
        graphs.check_named(options.precision_plan, options.components, checkpoint.model, layers)
    stated = {
        spec.name: fingerprint.inputs(checkpoint, spec, options, _tool_versions(options))
        for spec in options.components
    }
    found = [] if fresh else [*resume.kept(partial_of(output)), *_sealed(output)]
    kept = {record.component for record in promising(found, stated)}
    return _planned(checkpoint, output, options, max_memory, kept)


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
    preflight(checkpoint, output, options, overwrite=overwrite, fresh=fresh, max_memory=max_memory)
    with (
        claim(output, overwrite) as claimed,
        resume.cleared_on_failure(claimed),
        log_file(log) as stream,
        Source(checkpoint, options, _tool_versions(options)) as source,
    ):
        records = _taken_over(claimed, source, progress, fresh)
        reused = tuple(spec.name for spec in options.components if spec.name in records)
        planned = _planned(checkpoint, output, options, max_memory, reused)
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
        notice = terms(checkpoint, options.source_name).notice()
        (claimed.new / NOTICE_FILE).write_text(notice, encoding="utf-8")
        sealed = _manifest(checkpoint, options, claimed.new, records, nested)
        durable.write_text(claimed.new / manifest.MANIFEST, sealed.to_json())
    progress(Progress("bundle", "sealed", 1, 1))
    warnings = advice.of_export(checkpoint, options, nested)
    seconds = time.monotonic() - started
    return Result(output, sealed, nested, warnings, seconds, reused, outcome.peaks)


def _planned(
    checkpoint: Checkpoint,
    output: Path,
    options: Options,
    max_memory: int | None,
    kept: Collection[str],
) -> Plan:
    """The plan of what is not ``kept``; refuses it when memory or disk do not suffice."""
    allowed = machine.budget(max_memory)
    planned = plan(checkpoint, options, allowed.bytes, machine.cores(), kept)
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
    claimed: Claim, source: Source, progress: OnProgress, fresh: bool
) -> dict[str, resume.Record]:
    """What need not be converted again, by component; everything else in the folder is removed."""
    taken: dict[str, resume.Record] = {}
    if fresh:
        resume.sweep(claimed, ())
    else:
        ways: tuple[tuple[list[resume.Record], Callable[[resume.Record], bool]], ...] = (
            (resume.kept(claimed.partial), lambda r: resume.whole(claimed.new, r)),
            (_sealed(claimed.output), lambda r: resume.take_over(claimed, r)),
        )
        for records, check in ways:
            left = [record for record in records if record.component not in taken]
            for record in source.confirm(source.promising(left)):
                progress(Progress(record.component, "checking what is finished", 0, 1))
                if check(record):
                    taken[record.component] = record
                    progress(Progress(record.component, "finished before", 1, 1))
            resume.sweep(claimed, taken.values())
    source.check()
    return taken


def _convert(
    claimed: Claim,
    source: Source,
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
        artifact = targets.artifact(specs[name], source.checkpoint.model, options, result)
        artifact = source.keyed(name, artifact)
        records[name] = resume.finish(claimed, name, source.digest(name), artifact)

    def jobs(items: Iterable[ComponentPlan]) -> list[dict[str, Any]]:
        return [_job(source.checkpoint, specs[item.component], claimed, options) for item in items]

    heavy = longest_first(item for item in left if item.imported)
    lanes = (
        workers.Lane(jobs(heavy), options.target, planned.slots),
        workers.Lane(jobs(i for i in left if not i.imported), after=not planned.beside),
    )
    hooks = workers.Hooks(lambda name: resume.prepare(claimed, name), finish, progress)
    return workers.run(lanes, log, hooks, keep=(claimed.lock,))


def _job(
    checkpoint: Checkpoint, spec: ComponentSpec, claimed: Claim, options: Options
) -> dict[str, Any]:
    return {
        "id": spec.name,
        "checkpoint": str(checkpoint.path.resolve()),
        "component": spec.name,
        "target": options.target,
        "output": str(resume.workplace(claimed, spec.name).resolve()),
        "weights": options.weights,
        "precision": options.precision,
        "license": terms(checkpoint, options.source_name).line(),
        "llm_bits": options.llm_bits,
        "llm_group_size": options.llm_group_size,
        "llm_exceptions": dict(options.llm_exceptions),
        "layers_per_engine": options.layers_per_engine,
        "precision_plan": dict(options.precision_plan),
    }


def _manifest(
    checkpoint: Checkpoint,
    options: Options,
    folder: Path,
    records: Mapping[str, resume.Record],
    nested: NestedCopies | None,
) -> manifest.Manifest:
    model = checkpoint.model
    tokens = tokenizer_files.special_ids(checkpoint.path)
    return manifest.Manifest(
        generator={"name": "mobileo-export", "version": __version__},
        source=manifest.Source(
            options.source_name,
            options.source_revision,
            options.weights,
            manifest.nested_entry(nested),
        ),
        license=terms(checkpoint, options.source_name).manifest(),
        model=model.stated(),
        recipe=asdict(recipe.build(model, tokens)),
        tools=_tool_versions(options),
        components={
            spec.name: manifest.component_entry(
                spec,
                model,
                records[spec.name].tensors_sha256,
                (records[spec.name].artifact,),
                targets.inputs(spec, model, options.target),
                targets.outputs(spec, model, options.target),
            )
            for spec in options.components
        },
        files=resume.files(folder, records.values(), NOTICE_FILE),
    )


def _tool_versions(options: Options) -> dict[str, str]:
    return tool_versions(options.components, options.target)


def tool_versions(components: Iterable[ComponentSpec], target: Target) -> dict[str, str]:
    """The versions of the packages that convert ``components`` for ``target``; imports nothing.

    Raises:
        MissingDependencyError: some are not installed.
    """
    versions: dict[str, str] = {}
    missing = []
    for name in sorted(set().union(*(targets.tools(spec, target) for spec in components))):
        try:
            versions[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            missing.append(name.replace("-", "_"))
    if missing:
        raise MissingDependencyError(f"exporting needs {extras.lacks(missing)}")
    return versions
