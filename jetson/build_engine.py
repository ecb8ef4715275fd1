"""Build one engine in this process, which ends with it: :mod:`mobileo_export.jetson.build_process`.

Networks are strongly typed: each operation has the precision that the graph gives it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.engine import stamp
from mobileo_export.errors import ConversionError, RuntimeUnavailableError
from mobileo_export.runtimes.tensorrt import engine as engines
from mobileo_export.runtimes.tensorrt import libcudart, library
from mobileo_export.runtimes.tensorrt.library import Messages

if TYPE_CHECKING:
    from mobileo_export.progress import OnStage
    from mobileo_export.runtimes.tensorrt.library import Library


# What a wheel without a GPU builds for: the desktop's chip of the Orin's generation.
REHEARSAL_CAPABILITY = "8.6"
_INTERVAL = 0.2  # seconds between reports
_CHUNK = 1 << 22


def here() -> stamp.Target:
    """What engines that are built here are for.

    Raises:
        RuntimeUnavailableError: TensorRT is missing, or it is the board's and finds no device.
    """
    found = library.load()
    try:
        return engines.target(found, libcudart.load())
    except RuntimeUnavailableError:
        if not found.rehearsal:
            raise
        return stamp.Target(found.name, found.version, REHEARSAL_CAPABILITY)


def build(job: Mapping[str, Any], report: OnStage, log: Callable[[str], None]) -> dict[str, Any]:
    """Build what ``job`` says into its ``partial`` file; returns what the stamp states of it.

    Args:
        job: ``onnx``, ``partial``, ``timing_cache``: paths; ``profiles``, ``workspace`` (bytes),
            ``level`` (of optimization), ``tf32`` and ``capability``.
        report: told how far it is.
        log: gets every line that TensorRT says.

    Raises:
        ConversionError: TensorRT cannot read the graph, or cannot build it.
        RuntimeUnavailableError: TensorRT cannot work here at all.
        OSError: the engine cannot be written.
    """
    started = time.monotonic()
    found = library.load()
    messages = Messages(log)
    report("parsing", 0, 1)
    plan = _serialized(found, job, messages, report)
    report("writing", 0, 1)
    size, sha256 = _write(plan, Path(job["partial"]))
    return {
        "size": size,
        "sha256": sha256,
        "build_seconds": round(time.monotonic() - started, 1),
    }


def load(job: Mapping[str, Any], report: OnStage, log: Callable[[str], None]) -> dict[str, Any]:
    """Load the built ``engine`` of ``job``, its first test: what each profile needs beside it.

    In a process of its own, since the one that built it still holds memory.

    Raises:
        RuntimeUnavailableError: TensorRT cannot load it.
    """
    found = library.load()
    report("loading", 0, 1)
    where = stamp.Place(Path(job["onnx"]), Path(job["engine"]))
    loaded = engines.deserialize(where, found, None)
    scratch = [loaded.scratch(profile) for profile in range(loaded.profiles)]
    loaded.close()
    log(f"[INFO] loads; scratch of each profile {scratch} bytes")
    return {"scratch": scratch}


def _serialized(found: Library, job: Mapping[str, Any], messages: Messages, report: OnStage) -> Any:
    trt = found.module
    logger = messages.logger(found)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # what the bindings make of a null pointer
        raise RuntimeUnavailableError(
            f"TensorRT cannot start{messages.last or f' ({error})'}; run mobileo-jetson preflight"
        ) from error
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    # TensorRT 11 knows no other networks and may drop the flag.
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(job["onnx"])):
        for said in map(parser.get_error, range(parser.num_errors)):
            operator = getattr(said, "node_operator", lambda: "unnamed")()
            where = f"node {said.node()} ({operator})"
            messages.add("ERROR", f"{where}: {said.desc()}")
        raise ConversionError(f"TensorRT cannot read the graph{messages.last}")
    config = builder.create_builder_config()
    _configure(found, config, builder, job)
    monitor = _monitor(trt, report)
    with suppress(AttributeError):  # of TensorRT 8.6 and later
        config.progress_monitor = monitor
    cache = Path(job["timing_cache"])
    _use_cache(config, cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ConversionError(f"TensorRT cannot build the engine{messages.last}")
    _keep_cache(config, cache)
    return plan


def _configure(found: Library, config: Any, builder: Any, job: Mapping[str, Any]) -> None:
    trt = found.module
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, job["workspace"])
    config.builder_optimization_level = job["level"]
    if not job["tf32"]:  # on by default: it would compute float32 with 10 bits of mantissa
        config.clear_flag(trt.BuilderFlag.TF32)
    for described in job["profiles"]:
        profile = builder.create_optimization_profile()
        for name, (smallest, usual, largest) in described["shapes"].items():
            profile.set_shape(name, tuple(smallest), tuple(usual), tuple(largest))
        config.add_optimization_profile(profile)
    if found.rehearsal:
        config.num_compute_capabilities = 1
        known = getattr(trt.ComputeCapability, "SM" + job["capability"].replace(".", ""), None)
        if known is None:
            raise RuntimeUnavailableError(
                f"{found.name} {found.version} builds nothing for compute capability "
                f"{job['capability']}, which is this device's; use a device that it supports, or "
                "none: it then builds for 8.6, to try the graphs"
            )
        config.set_compute_capability(known, 0)


def _monitor(trt: Any, report: OnStage) -> Any:
    class BuildMonitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Reports the outermost phase that has more than one step."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._totals: dict[str, int] = {}
            self._last = 0.0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if num_steps > 1 and not self._totals:
                self._totals[phase_name] = num_steps
                report(phase_name.lower(), 0, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            self._totals.pop(phase_name, None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            total, now = self._totals.get(phase_name), time.monotonic()
            if total is not None and now - self._last >= _INTERVAL:
                self._last = now
                report(phase_name.lower(), min(step + 1, total), total)
            return True  # go on

    return BuildMonitor()


def _use_cache(config: Any, path: Path) -> None:
    """Times of kernels that were measured before, if they are of this TensorRT and device."""
    stored = path.read_bytes() if path.is_file() else b""
    if not config.set_timing_cache(config.create_timing_cache(stored), False) and stored:
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _keep_cache(config: Any, path: Path) -> None:
    cache = config.get_timing_cache()
    if cache is None:
        return
    partial = path.with_name(path.name + ".partial")
    with suppress(OSError):  # it saves time only
        partial.write_bytes(memoryview(cache.serialize()))
        partial.replace(path)


def _write(plan: Any, path: Path) -> tuple[int, str]:
    """Write ``plan`` and have it reach the disk; its size and sha256."""
    state = hashlib.sha256()
    with memoryview(plan) as data, path.open("wb") as file:
        for start in range(0, data.nbytes, _CHUNK):
            chunk = data[start : start + _CHUNK]
            state.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        return data.nbytes, state.hexdigest()
