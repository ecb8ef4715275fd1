"""Can this machine export that checkpoint, or run that bundle?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.doctor.findings import Ability, Finding
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobileo_export.doctor.machine import Machine

_RUN_BYTES = 700_000_000  # torch and what it imports
_DISK_SPARE = 16 << 20


def findings(
    path: Path, target: str, machine: Machine, able: dict[str, Ability]
) -> Iterator[Finding]:
    """Of a checkpoint what its export would take, of a bundle what running it would.

    Raises:
        UsageError: nothing is there.
        CheckpointError, BundleError: it cannot be read.
    """
    from mobileo_export import assets
    from mobileo_export.bundle import manifest

    if str(path) == assets.MINIATURE:
        path = assets.miniature()
    if not path.exists():
        raise UsageError(f"{path}: no such folder; name a checkpoint or a bundle")
    if (path / manifest.MANIFEST).is_file():
        yield from _bundle(path, manifest.read(path), machine, able)
    else:
        yield from _checkpoint(path, target, machine, able)


def _checkpoint(
    path: Path, target: str, machine: Machine, able: dict[str, Ability]
) -> Iterator[Finding]:
    from mobileo_export import components
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.converters.options import Options
    from mobileo_export.export import plan

    checkpoint = Checkpoint.open(path)
    options = Options(components.select(None), target=target)
    whole = plan.plan(checkpoint, options, machine.memory.bytes, machine.cores)
    for note in checkpoint.notes:
        yield Finding("checkpoint", "ok", note)
    for warning in (*checkpoint.model.warnings, *whole.warnings):
        yield Finding("checkpoint", "warning", warning)
    yield _needs(f"export --target {target}", able[f"export --target {target}"])
    largest = max(whole.components, key=lambda part: part.peak_memory)
    yield _fits(
        "memory to export",
        whole.peak_memory,
        machine.memory.bytes,
        f"most for {largest.component}; {machine.memory.bound}",
        "close other programs or raise the limit",
    )
    yield _fits(
        "disk to export",
        whole.bytes + whole.temporary_bytes + _DISK_SPARE,
        machine.disk_free,
        f"{whole.bytes / 1e9:.2f} GB of bundle, the rest while it is made",
        "free some space, or name an --output on another disk",
    )


def _bundle(
    path: Path, content: dict[str, Any], machine: Machine, able: dict[str, Ability]
) -> Iterator[Finding]:
    from mobileo_export.components import COMPONENTS
    from mobileo_export.runtimes import registry, select

    largest, largest_name = 0, ""
    known = {name: entry for name, entry in content["components"].items() if name in COMPONENTS}
    runtimes = select.choose(known)
    for name, entry in content["components"].items():
        if name not in known:
            yield Finding(name, "warning", "a component that this release does not know")
            continue
        runtime, artifact = runtimes[name], entry["artifacts"][0]
        yield _needs(f"{name} on {runtime}", able[runtime])
        # MLX holds weights as they are stored; they are spread to float32 elsewhere.
        half = artifact["compute_precision"] == "float16" and registry.ENTRIES[runtime].metal
        width = 2 if half else 4
        if width * entry["parameters"] > largest:
            largest, largest_name = width * entry["parameters"], name
    missing = sorted(COMPONENTS.keys() - content["components"].keys())
    if missing:
        detail = f"has no {', '.join(missing)}: made with --only"
        yield Finding("bundle", "warning", detail, "export it again for the pipelines")
    yield _fits(
        "memory to run",
        largest + _RUN_BYTES,
        machine.memory.bytes,
        f"one component at a time, most for {largest_name}; {machine.memory.bound}",
        "close other programs or raise the limit",
    )


def _needs(what: str, ability: Ability) -> Finding:
    if ability.able:
        return Finding(what, "ok", "can be done here")
    return Finding(what, "broken", ability.reason, ability.mend)


def _fits(what: str, wanted: int, free: int, detail: str, mend: str) -> Finding:
    text = f"takes {wanted / 1e9:.2f} GB, {free / 1e9:.2f} GB are free ({detail})"
    return Finding(what, "ok", text) if wanted <= free else Finding(what, "broken", text, mend)
