"""Build a bundle's engines: one at a time, each in a process of its own; what is built is kept."""

from __future__ import annotations

import fcntl
import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mobileo_export import memory
from mobileo_export.artifacts.engine import stamp
from mobileo_export.errors import BundleError, MobileoError, UsageError
from mobileo_export.jetson import board, build_diagnosis, build_engine, engines
from mobileo_export.jetson.engines import EnginePlan
from mobileo_export.processes import child_process, deaths
from mobileo_export.processes.host import Host
from mobileo_export.processes.worker import Worker, take
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.runtimes.tensorrt.library import REHEARSAL
from mobileo_export.sizes import check_disk

MB = 1 << 20
# Above this TensorRT's choice of kernels gains nothing here; 4 GiB is what L4T 36.4.7 cannot give.
_MOST_WORKSPACE, _LEAST_WORKSPACE = 2048 * MB, 256 * MB
NEW = "not built yet"  # why an engine is built that was not there
TIMING_CACHE = "timing.cache"
_WORKER = tuple(child_process.module("mobileo_export.jetson.build_process"))


@dataclass(frozen=True)
class BuildOptions:
    """How to build.

    Attributes:
        components: which; None for all.
        force: build anew what is built already.
        level: how long TensorRT searches for kernels, 0 to 5.
        workspace: bytes for kernels at most; None for what the free memory allows.
        tf32: let float32 products be computed with 10 bits of mantissa, which is faster.
    """

    components: Sequence[str] | None = None
    force: bool = False
    level: int = 3
    workspace: int | None = None
    tf32: bool = False


@dataclass(frozen=True)
class BuildOutcome:
    """What became of one engine; ``detail`` says why it was built, or why it was not.

    A ``rehearsal`` is an engine that no board runs, see ``runtimes.tensorrt.library``.
    """

    name: str
    status: Literal["built", "kept", "failed"]
    engine: Path
    detail: str = ""
    size: int = 0
    seconds: float = 0.0
    rehearsal: bool = False


@dataclass(frozen=True)
class Builder:
    """What building depends on besides the bundle; tests put other things in its place."""

    host: Host = field(default_factory=Host)
    target: Callable[[], stamp.Target] = build_engine.here
    worker: Sequence[str] = _WORKER


def build(
    bundle: Path, options: BuildOptions, progress: OnProgress, tools: Builder | None = None
) -> list[BuildOutcome]:
    """Build what is not built yet, and say of every engine what became of it.

    One failure does not keep the others from being built.

    Raises:
        MobileoError: the bundle cannot be used, TensorRT is missing, another build is running, or
            the disk is too small.
    """
    tools = tools or Builder()
    plans = engines.engines(bundle, options.components)
    target = tools.target()
    folder = stamp.folder(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder):
        for leftover in folder.glob("*.partial"):
            leftover.unlink()
        reasons = [_reason(engine, target, options) for engine in plans]
        wanted = [engine for engine, why in zip(plans, reasons, strict=True) if why]
        _check_disk(tools.host, folder, wanted)
        outcomes = []
        for engine, why in zip(plans, reasons, strict=True):
            if why is None:
                size = engine.where.engine.stat().st_size
                outcomes.append(BuildOutcome(engine.name, "kept", engine.where.engine, size=size))
                progress(Progress(engine.name, "built before", 1, 1))
            else:
                outcomes.append(_build_one(engine, target, options, why, progress, tools))
    return outcomes


def described(engine: EnginePlan, options: BuildOptions) -> dict[str, Any]:
    """The options that make an engine another one."""
    return {"profiles": list(engine.profiles), "level": options.level, "tf32": options.tf32}


def workspace(engine: EnginePlan, host: Host) -> int:
    """Bytes for kernels: what is free beside the weights, within reason."""
    memory = board.memory(host)
    if memory is None:
        return _LEAST_WORKSPACE
    room = memory.available - engines.build_memory(engine)
    return max(_LEAST_WORKSPACE, min(_MOST_WORKSPACE, room))


def _reason(engine: EnginePlan, target: stamp.Target, options: BuildOptions) -> str | None:
    """Why an engine must be built; None when it is there and fits."""
    where = engine.where
    if options.force:
        return "asked for"
    if not where.engine.is_file() or not where.stamp.is_file():
        return NEW
    try:
        found = stamp.read(where)
        source = stamp.source_digest(where.onnx, trust_manifest=True)
    except BundleError as error:
        return str(error)
    return stamp.problem(where, found, target, source, described(engine, options))


def _build_one(
    engine: EnginePlan,
    target: stamp.Target,
    options: BuildOptions,
    why: str,
    progress: OnProgress,
    tools: Builder,
) -> BuildOutcome:
    where = engine.where
    for old in (where.stamp, where.engine):  # an engine without a stamp is none
        with suppress(FileNotFoundError):
            old.unlink()
    progress(Progress(engine.name, "reading", 0, 1))
    try:
        source = stamp.source_digest(where.onnx, trust_manifest=False)
    except BundleError as error:
        return BuildOutcome(engine.name, "failed", where.engine, str(error))
    job = {
        **described(engine, options),
        "id": engine.name,
        "load": False,
        "onnx": str(where.onnx),
        "engine": str(where.engine),
        "partial": str(where.partial),
        "timing_cache": str(where.engine.with_name(TIMING_CACHE)),
        "workspace": options.workspace or workspace(engine, tools.host),
        "capability": target.compute_capability,
    }
    rehearsal = target.library == REHEARSAL
    try:
        result = _run(job, engine, progress, tools.worker)
        where.partial.replace(where.engine)
        built = stamp.Stamp(
            source=where.onnx.name,
            source_sha256=source,
            target=target,
            options=described(engine, options),
            size=result["size"],
            sha256=result["sha256"],
            scratch=(),
            build_seconds=result["build_seconds"],
        )
        stamp.write(where, built)
    except (MobileoError, OSError) as error:
        for half in (where.partial, where.engine):
            with suppress(OSError):
                half.unlink()
        return BuildOutcome(engine.name, "failed", where.engine, str(error))
    outcome = BuildOutcome(
        engine.name, "built", where.engine, why, built.size, built.build_seconds, rehearsal
    )
    if rehearsal:  # there is nothing here that could load it
        progress(Progress(engine.name, "built", 1, 1))
        return outcome
    try:
        loaded = _run({**job, "load": True}, engine, progress, tools.worker)
        stamp.write(where, replace(built, scratch=tuple(loaded["scratch"])))
    except (MobileoError, OSError) as error:  # what took so long to build is kept
        return replace(outcome, status="failed", detail=f"is built, but does not load now: {error}")
    progress(Progress(engine.name, "built", 1, 1))
    return outcome


def _run(
    job: dict[str, Any], engine: EnginePlan, progress: OnProgress, command: Sequence[str]
) -> dict[str, Any]:
    """Have a worker do ``job``; raises MobileoError with the likely cause when it fails."""
    events: queue.Queue[dict[str, Any] | None] = queue.Queue()
    result: dict[str, Any] | None = None
    mode = "a" if job["load"] else "w"
    killed = memory.kills()
    with (
        engine.where.log.open(mode, encoding="utf-8") as log,
        Worker(command, lambda _, event: events.put(event), log) as worker,
    ):
        worker.send(job)
        while (event := take(events)) is not None:
            if event["event"] == "progress":
                stage, done, total = event["stage"], event["done"], event["total"]
                progress(Progress(engine.name, stage, done, total))
            elif event["event"] == "done":
                result = event["result"]
        code = worker.exit_code()
    if result is not None:
        return result
    said = engine.where.log.read_text(encoding="utf-8", errors="replace")
    found = build_diagnosis.of(engine, said, code, deaths.ran_out(killed))
    raise MobileoError(
        f"{found.cause}; {found.remedy}; what TensorRT said is in {engine.where.log}"
    )


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Two builds at once would take each other's memory and files."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{folder}: another build is running; wait for it") from None
        yield


def _check_disk(host: Host, folder: Path, wanted: Sequence[EnginePlan]) -> None:
    if not wanted:
        return
    needed = engines.needs(wanted).disk
    remedy = "copy the bundle to another disk"
    check_disk(folder, needed, "the engines take about", remedy, host.disk_free)
