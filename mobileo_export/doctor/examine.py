"""Look at everything, and say what of it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export import targets
from mobileo_export.doctor import abilities, imports, machine, packages, source
from mobileo_export.doctor.findings import Ability, Finding
from mobileo_export.errors import UsageError
from mobileo_export.progress import OnStage, ignore

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Report:
    """What was found, in the order in which it is told.

    Attributes:
        machine: Python, disk, memory, engines.
        packages: against their ranges and the tested versions.
        imports: of each installed package, if it was asked for.
        source: of the checkpoint or bundle that was asked about.
        abilities: targets, runtimes, commands.
        asked: names of abilities that the user needs.
    """

    machine: tuple[Finding, ...]
    packages: tuple[Finding, ...]
    imports: tuple[Finding, ...]
    source: tuple[Finding, ...]
    abilities: tuple[Ability, ...]
    asked: tuple[str, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What has to be mended: what is broken, and what was asked for and cannot be done."""
        every = (*self.machine, *self.packages, *self.imports, *self.source)
        lacking = (
            Finding(a.name, "broken", a.reason, a.mend)
            for a in self.abilities
            if a.name in self.asked and not a.able
        )
        return (*(finding for finding in every if finding.state == "broken"), *lacking)


def examine(
    path: Path | None = None,
    target: str | None = None,
    runtime: str | None = None,
    deep: bool = False,
    progress: OnStage = ignore,
) -> Report:
    """Look at this machine.

    Args:
        path: a checkpoint to export or a bundle to run.
        target: of an export that has to be possible.
        runtime: that has to be there.
        deep: import every package, each in its own process.
        progress: called as they are imported.

    Raises:
        UsageError: there is no such runtime, or nothing at ``path``.
        CheckpointError, BundleError: what is there cannot be read.
    """
    here, state = machine.look(), packages.environment()
    able = abilities.abilities(here, state)
    by_name = {ability.name: ability for ability in able}
    if runtime is not None and by_name.get(runtime) not in [a for a in able if a.kind == "runtime"]:
        known = ", ".join(ability.name for ability in able if ability.kind == "runtime")
        raise UsageError(f"there is no runtime {runtime!r}; choose from {known}")
    installed = [package for package in state.packages.values() if package.installed]
    told = (
        source.findings(path, target or targets.DEFAULT, here, by_name) if path is not None else ()
    )
    return Report(
        tuple(machine.findings(here, state)),
        tuple(packages.findings(state)),
        tuple(imports.findings(installed, progress)) if deep else (),
        tuple(told),
        able,
        tuple(name for name in (f"export --target {target}" if target else None, runtime) if name),
    )
