"""The stages of a bundle on this board, beside the paper's table of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mobileo_export.bench import document
from mobileo_export.bench.published import PAPER
from mobileo_export.jetson import board
from mobileo_export.jetson.tegrastats import Monitor
from mobileo_export.processes.host import Host
from mobileo_export.progress import OnProgress, ignore

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.bench.run import Bench, Settings


def bench(
    bundle: Path,
    runtime: str,
    settings: Settings,
    *,
    resident: bool,
    progress: OnProgress = ignore,
    host: Host | None = None,
    monitor: Callable[[], Monitor] = Monitor,
    replayed: bool = True,
    cut_short: Callable[[dict[str, Any]], object] = ignore,
) -> dict[str, Any]:
    """Measure everything; the document of ``bench/results.schema.json``.

    Args:
        bundle: a jetson bundle, its engines built.
        runtime: ``tensorrt`` or ``onnxruntime``.
        settings: how often.
        resident: keep all components in memory, because they fit.
        progress: called as runs are done.
        host: the machine to describe.
        monitor: samples memory, power and temperature meanwhile.
        replayed: replay the golden trace behind it, if the bundle holds one.
        cut_short: is given the document of what was measured, when it ends early.

    Raises:
        MobileoError: the bundle or the runtime cannot be used.
    """
    host = host or Host()
    before = describe(host)
    found = document.prepare(bundle, runtime, None, None, settings, resident)
    found.progress, found.published = progress, PAPER["Jetson Orin Nano"]
    tested = None
    with monitor() as samples:
        try:
            found.run()
            found.components.close()
            tested = document.replay(found, None) if replayed else None
        except BaseException as error:
            document.interrupted(found, error)
            cut_short(_document(found, before, samples, host, None))
            raise
        finally:
            found.components.close()
    return _document(found, before, samples, host, tested)


def _document(
    found: Bench,
    before: Mapping[str, Any],
    samples: Monitor,
    host: Host,
    tested: Mapping[str, Any] | None,
) -> dict[str, Any]:
    summary = samples.summary
    notes = [] if summary else ["tegrastats is not there: no memory, power or temperature"]
    if describe(host).get("gpu_clock") != before.get("gpu_clock"):
        notes.append("the GPU's clock limits changed meanwhile")
    telemetry = {**summary.as_json(), **found.meter.as_json()} if summary else None
    return document.document(found, "mobileo-jetson", before, telemetry, notes, tested)


def describe(host: Host) -> dict[str, Any]:
    """What decides how fast a board is; None where it does not say."""
    release, mode, clock = board.l4t(host), board.power_mode(host), board.gpu_clock(host)
    memory = board.memory(host)
    return {
        "model": host.board(),
        "l4t": str(release) if release else None,
        "jetpack": release.jetpack if release else None,
        "cuda": board.cuda(host),
        "tensorrt": board.package(host, "libnvinfer10"),
        "power_mode": mode.name if mode else None,
        "gpu_clock": asdict(clock) if clock else None,
        "memory_available": memory.available if memory else None,
        "desktop": board.desktop(host),
    }
